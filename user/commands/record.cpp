// SPDX-License-Identifier: Apache-2.0
// `record`: writes the raw events of a trace to a file and prints nothing.
#include <unistd.h>

#include "commands/common.h"
#include "commands/leak_sinks.h"
#include "commands/table.h"
#include "session/limits.h"

namespace tcpdwell {

int run_record(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error);
  Output output(STDOUT_FILENO);  // required by trace(); nothing is written to it
  NullSink nowhere;
  TracerConfig config = tracer_config(options);
  config.only_record = true;
  config.session.needs_reader = false;
  auto end = trace(config, nowhere, output);
  return end ? report(options, *end, output) : fail(end.error());
}

}  // namespace tcpdwell
