// SPDX-License-Identifier: Apache-2.0
// `record`: writes the raw events of a trace to a file and prints nothing.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "commands/common.h"
#include "commands/leak_sinks.h"
#include "commands/log.h"
#include "commands/table.h"
#include "commands/waiting.h"
#include "session/limits.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

// "512 bytes", "1.2 MiB"
std::string bytes(std::uint64_t size) {
  std::string text = format_size(size);
  if (size < 1024) return text + " bytes";
  return text.insert(text.size() - 1, " ") + "iB";
}

// Of the newest file, if there are several.
std::string size_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? bytes(static_cast<std::uint64_t>(info.st_size))
                                          : "removed";
}

}  // namespace

int run_record(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error);
  Output output(STDOUT_FILENO);  // required by trace(); nothing is written to it
  NullSink nowhere;
  TracerConfig config = tracer_config(options);
  config.only_record = true;
  config.session.needs_reader = false;
  config.on_turn = progress(options, [](const Session& session, Nanos elapsed) {
    return fmt::format("recording for {}: {}, {}, {} lost", seconds_text(elapsed),
                       format_count(session.events(), "event"), bytes(session.recorder()->size()),
                       format_number(session.lost()));
  });
  auto end = trace(config, nowhere, output);
  clear_progress();
  if (!end) return fail(end.error());
  if (!options.quiet)
    spdlog::info("{}: {}, {} in {}, {} lost", options.recording, size_of(options.recording),
                 format_count(end->events, "event"), format_duration(end->elapsed),
                 format_number(end->lost));
  return lost_status(options, *end, output);
}

}  // namespace tcpdwell
