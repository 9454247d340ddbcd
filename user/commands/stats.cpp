// SPDX-License-Identifier: Apache-2.0
// `stats`: prints one table of states, or of other groups, for each interval.
#include "commands/common.h"
#include "commands/printers.h"
#include "commands/table.h"
#include "session/limits.h"

namespace tcpdwell {

int run_stats(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error);
  auto output = Output::open(options.output, options.output_buffer, options.files);
  if (!output) return fail(output.error());
  StatsPrinter printer(options, *output);
  TracerConfig config = tracer_config(options);
  config.session.observer = &printer.stats;
  config.enough = printer.enough(options);
  auto end = trace(config, printer.stats, *output);
  return end ? report(options, *end, *output) : fail(end.error());
}

}  // namespace tcpdwell
