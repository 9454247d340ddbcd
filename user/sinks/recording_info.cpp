// SPDX-License-Identifier: Apache-2.0
#include "sinks/recording_info.h"

#include <fmt/format.h>

#include <array>

#include "sinks/escape.h"
#include "sinks/json_line.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

std::string json_text(std::string_view text) {
  std::string all(json_string_room(text), '\0');
  all.resize(static_cast<std::size_t>(write_json_string(all.data(), text) - all.data()));
  return all;
}

std::string plain(std::string_view text) {
  std::string line;
  append_printable(line, text);
  return line;
}

std::string utc(const When& when) {
  std::array<char, 64> text{};
  return {text.data(), json::time(text.data(), when.unix_time)};
}

std::string line(std::string_view name, std::string_view value) {
  return fmt::format("{:<12}{}\n", name, value);
}

std::string losses(const RecordingInfo& info) {
  std::string text = format_count(info.end.lost, "event");
  if (info.end.lost > 0) text += fmt::format(", {} of them transitions", info.end.transitions_lost);
  if (info.end.unseen > 0) text += fmt::format("; at least {} missed", info.end.unseen);
  if (info.damaged > 0) text += "; skipped " + format_count(info.damaged, "damaged frame");
  return text;
}

std::string ending(const RecordingInfo& info) {
  if (info.reached_max_size) return " (ended at its --max-size)";
  return info.end.truncated ? " (cut off)" : "";
}

}  // namespace

std::string recording_info_text(const RecordingInfo& info) {
  std::string files;
  for (const auto& [path, bytes] : info.files)
    files += line(files.empty() ? "files" : "", plain(path) + ", " + format_count(bytes, "byte"));
  const EndRecord& end = info.end;
  return line("host", plain(info.start.host)) + line("kernel", plain(info.start.kernel)) +
         line("recorded by", "tcpdwell " + plain(info.start.version)) +
         line("from",
              utc(info.start.when) + (info.begins_late ? " (older files are missing)" : "")) +
         line("to", utc(end.when) + ending(info)) + line("duration", format_duration(end.elapsed)) +
         line("events", fmt::format("{}, {} of them transitions", format_number(end.events),
                                    format_number(end.transitions))) +
         line("lost", losses(info)) +
         line("connections", fmt::format("{} ended, {} open", format_number(end.connections),
                                         format_number(end.open))) +
         line("flags",
              fmt::format("{} raised, {} still raised at the end", format_number(end.flags_raised),
                          format_number(end.flags_open))) +
         files;
}

std::string recording_info_json(const RecordingInfo& info) {
  std::string files;
  for (const auto& [path, bytes] : info.files)
    files += fmt::format(R"({}{{"path":{},"bytes":{}}})", files.empty() ? "" : ",", json_text(path),
                         bytes);
  const EndRecord& end = info.end;
  return fmt::format(
      R"({{"type":"info","time":"{}","mono_ns":{},"end_time":"{}","end_mono_ns":{},"seconds":{:.3f},)"
      R"("host":{},"kernel":{},"version":{},"events":{},"transitions":{},"lost":{},)"
      R"("transitions_lost":{},"damaged_frames":{},"connections":{},"open":{},"flags_raised":{},)"
      R"("flags_open":{},"begins_late":{},"truncated":{},"reached_max_size":{},"files":[{}]}})"
      "\n",
      utc(info.start.when), info.start.when.mono.count(), utc(end.when), end.when.mono.count(),
      std::chrono::duration<double>(end.elapsed).count(), json_text(info.start.host),
      json_text(info.start.kernel), json_text(info.start.version), end.events, end.transitions,
      end.lost, end.transitions_lost, info.damaged, end.connections, end.open, end.flags_raised,
      end.flags_open, info.begins_late, end.truncated, info.reached_max_size, files);
}

}  // namespace tcpdwell
