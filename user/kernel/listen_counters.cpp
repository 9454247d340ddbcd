// SPDX-License-Identifier: Apache-2.0
#include "kernel/listen_counters.h"

#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

namespace tcpdwell {
namespace {

constexpr std::string_view kGroup = "TcpExt:";

std::string_view take_until(std::string_view& text, char end) {
  const auto at = text.find(end);
  const std::string_view word = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return word;
}

std::string_view take_line(std::string_view& text) {
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    if (!line.starts_with(kGroup)) continue;
    line.remove_prefix(std::min(kGroup.size() + 1, line.size()));
    return line;
  }
  return {};
}

}  // namespace

std::optional<ListenCounters> listen_counters_in(std::string_view netstat) {
  std::string_view names = take_line(netstat), numbers = take_line(netstat);
  std::optional<std::uint64_t> overflows, cookies;
  while (!names.empty() && !numbers.empty()) {
    const std::string_view name = take_until(names, ' '), text = take_until(numbers, ' ');
    std::uint64_t number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) continue;
    if (name == "ListenOverflows") overflows = number;
    if (name == "SyncookiesSent") cookies = number;
  }
  if (!overflows || !cookies) return std::nullopt;
  return ListenCounters{.overflows = *overflows, .cookies_sent = *cookies};
}

// /proc/net shows the namespace of the main thread.
std::optional<ListenCounters> read_listen_counters() {
  std::ifstream file("/proc/thread-self/net/netstat");
  if (!file) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return listen_counters_in(text);
}

}  // namespace tcpdwell
