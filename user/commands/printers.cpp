// SPDX-License-Identifier: Apache-2.0
#include "commands/printers.h"

#include "commands/common.h"
#include "sinks/text_sink.h"

namespace tcpdwell {

std::unique_ptr<Sink> make_sink(const Options& options, Output& output) {
  if (options.json) return std::make_unique<NdjsonSink>(output, options.only.value_or(Kinds{}));
  const Kinds kinds = options.only.value_or(Kinds{.transitions = true, .connections = false});
  return std::make_unique<TextSink>(output, kinds, text_style(options, output));
}

StatsPrinter::StatsPrinter(const Options& options, Output& output)
    : text(output, text_style(options, output)),
      after_progress(text),
      json(output),
      json_others(output, Kinds{}),
      stats(options.stats, options.json ? static_cast<Sink&>(json_others) : after_progress,
            options.json ? static_cast<StatsOutput&>(json) : after_progress) {}

std::function<bool()> StatsPrinter::enough(const Options& options) const {
  if (!options.intervals) return {};
  return [this, most = *options.intervals] { return stats.intervals() >= most; };
}

}  // namespace tcpdwell
