// SPDX-License-Identifier: Apache-2.0
// Formats of the text output: endpoints, processes, dwells and times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/record.h"
#include "sinks/text_clock.h"

namespace tcpdwell {

class Screen;
struct Surroundings;

// What it refers to must outlive the sink.
struct TextStyle {
  bool color = false;
  bool header = true;
  const Surroundings* here = nullptr;  // null: unknown
  const Screen* screen = nullptr;      // null: no terminal. Then lines are not wrapped
  TimeFormat time = TimeFormat::Local;
  bool replayed = false;
  bool filtered = false;  // a filter may hide sockets that belong to those that it passes
};

namespace ansi {
inline constexpr std::string_view kReset = "\033[0m", kDim = "\033[2m", kRed = "\033[31m",
                                  kYellow = "\033[33m", kGreen = "\033[32m", kBold = "\033[1m";
}

// "10.0.0.1:80", "[2001:db8::1]:443", "10.0.0.1:?" while the port is not chosen
std::string format_endpoint(const Endpoint& end, Family family);
// "nginx[7]", or "nginx" where its pid is not visible; escaped.
std::string format_process(const Process& process);
// The same, with the name cut so that it takes at most `width` columns.
std::string format_process(const Process& process, std::size_t width);
// "≥" precedes a lower bound, "~" an inexact dwell.
std::string format_dwell(const Dwell& dwell);

// "1,234,567"
std::string format_number(std::uint64_t number);
// Why a handshake took long: "SYN sent 3 times".
std::string handshake_text(const TransitionRecord& record);
// Why connect() calls failed before a packet left.
std::string_view what_failed(ConnectFailure reason);
// The head of a replay: "recorded 2026-11-28 12:34:56 +0100 on web-1 (Linux 6.12.9)". Escaped.
std::string recorded_text(const StartRecord& start);
// Describes a suspension of the host.
std::string suspended_text(const ClockRecord& record);
// "1 socket", "1,234 sockets"
std::string format_count(std::size_t count, std::string_view noun);
// "512", "1.2K", "340M": bytes, in powers of 1024
std::string format_size(std::uint64_t bytes);
// Width on the screen of UTF-8 from append_printable(), in columns. A wide character (CJK, emoji)
// takes two, a combining one and an escape sequence of color none.
std::size_t display_width(std::string_view text);
// Yellow if it may end by itself or has no cause, otherwise red.
std::string_view color_of(Cause cause);

}  // namespace tcpdwell
