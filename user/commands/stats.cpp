// SPDX-License-Identifier: Apache-2.0
// `stats`: prints one table of states, or of other groups, for each interval.
#include <fmt/format.h>

#include <string>

#include "commands/common.h"
#include "commands/log.h"
#include "commands/printers.h"
#include "commands/table.h"
#include "commands/waiting.h"
#include "session/limits.h"
#include "sinks/text_format.h"

namespace tcpdwell {

int run_stats(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error);
  auto output = Output::open(options.output, options.output_buffer, options.files);
  if (!output) return fail(output.error());
  StatsPrinter printer(options, *output);
  TracerConfig config = tracer_config(options);
  config.session.observer = &printer.stats;
  config.enough = printer.enough(options);
  if (!options.json)
    config.on_turn = progress(options, [&](const Session& session, Nanos elapsed) {
      if (printer.stats.intervals() > 0 || elapsed >= options.stats.interval) return std::string();
      return fmt::format("the first table comes in {}: {} so far, {} open",
                         seconds_text(options.stats.interval - elapsed),
                         format_count(session.events(), "event"),
                         format_count(session.lifecycle().open(), "connection"));
    });
  auto end = trace(config, printer.stats, *output);
  clear_progress();
  return end ? report(options, *end, *output) : fail(end.error());
}

}  // namespace tcpdwell
