// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_format.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

#include "sinks/escape.h"
#include "sinks/text_wrap.h"
#include "util/duration.h"

namespace tcpdwell {

std::string format_endpoint(const Endpoint& end, Family family) {
  std::string text = format_address(end, family);
  if (family == Family::Ipv6) text = '[' + text + ']';
  return text + ':' + (end.port != 0 ? std::to_string(end.port) : "?");
}

std::string format_process(const Process& process) {
  std::string text;
  append_printable(text, process.comm_view());
  if (process.pid != 0) text += '[' + std::to_string(process.pid) + ']';
  return text;
}

std::string format_process(const Process& process, std::size_t width) {
  std::string text = format_process(process);
  if (display_width(text) <= width) return text;
  const std::string pid = process.pid != 0 ? '[' + std::to_string(process.pid) + ']' : "";
  text.resize(text.size() - pid.size());
  return shortened(text, std::max(width, pid.size() + 2) - pid.size()) + pid;
}

// An error below the last printed digit counts as exact.
std::string format_dwell(const Dwell& dwell) {
  constexpr int kShown = 100'000;
  const std::string_view mark = !dwell.error ? "≥" : *dwell.error > dwell.value / kShown ? "~" : "";
  return std::string(mark) + format_duration(dwell.value);
}

std::string format_number(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string handshake_text(const TransitionRecord& record) {
  std::string text = fmt::format(
      "{} sent {} times", record.from == State::SynSent ? "SYN" : "SYN-ACK", record.syns_sent);
  if (const auto& queue = record.full_queue)
    text += fmt::format("; the listener's accept queue was full ({}, backlog {})",
                        format_number(queue->length), format_number(queue->backlog));
  return text;
}

std::string_view what_failed(ConnectFailure reason) {
  return reason == ConnectFailure::NoPort ? "no local port is free (EADDRNOTAVAIL)"
                                          : "the bound port already has this connection";
}

std::string recorded_text(const StartRecord& start) {
  std::string host, kernel;
  append_printable(host, start.host);
  append_printable(kernel, start.kernel);
  return fmt::format("recorded {} on {} (Linux {})", format_date(start.when), host, kernel);
}

std::string suspended_text(const ClockRecord& record) {
  return fmt::format("host SUSPENDED for {}: dwells exclude that time",
                     format_duration(record.suspended));
}

std::string format_count(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", format_number(count), noun, count == 1 ? "" : "s");
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGTPE";
  if (bytes < 1024) return std::to_string(bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (value /= 1024; value >= 1000 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.{}f}{}", value, value < 9.95 ? 1 : 0, kUnits[unit]);
}

std::size_t display_width(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  std::size_t width = 0;
  for (utf8proc_ssize_t at = 0; at < size;) {
    if (bytes[at] == '\033') {  // ours: names have none
      const std::size_t end = text.find('m', static_cast<std::size_t>(at));
      at = end == std::string_view::npos ? size : static_cast<utf8proc_ssize_t>(end) + 1;
      continue;
    }
    if (bytes[at] < 0x80) {  // the usual case
      ++at;
      ++width;
      continue;
    }
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t used = utf8proc_iterate(bytes + at, size - at, &code);
    width += used > 0 ? static_cast<std::size_t>(utf8proc_charwidth(code)) : 1;
    at += std::max<utf8proc_ssize_t>(used, 1);
  }
  return width;
}

std::string_view color_of(Cause cause) {
  switch (cause) {
    case Cause::None:
    case Cause::Sending:
    case Cause::ConnectFailed:
    case Cause::Orphaned: return ansi::kYellow;
    case Cause::NotAccepted:
    case Cause::DataUnread:
    case Cause::EofUnread:
    case Cause::EofRead:
    case Cause::HalfClosed:
    case Cause::NotClosed: break;
  }
  return ansi::kRed;
}

}  // namespace tcpdwell
