// SPDX-License-Identifier: Apache-2.0
// `trace`, the default: prints transitions, flags and finished connections until it is ended.
#include "commands/common.h"
#include "commands/printers.h"
#include "commands/table.h"
#include "commands/waiting.h"
#include "session/limits.h"
#include "sinks/text_sink.h"

namespace tcpdwell {

int run_trace(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error);
  auto output = Output::open(options.output, options.output_buffer, options.files);
  if (!output) return fail(output.error());
  const auto sink = make_sink(options, *output);
  TracerConfig config = tracer_config(options);
  config.session.observer = dynamic_cast<Observer*>(sink.get());
  if (auto* text = dynamic_cast<TextSink*>(sink.get());
      text != nullptr && output->is_terminal() && !options.quiet)
    config.on_ready = [text](const Session& session) {
      text->note(watching_text(session.lifecycle()));
    };
  auto end = trace(config, *sink, *output);
  return end ? report(options, *end, *output) : fail(end.error());
}

}  // namespace tcpdwell
