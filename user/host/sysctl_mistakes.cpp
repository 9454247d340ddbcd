// SPDX-License-Identifier: Apache-2.0
#include "host/sysctl_mistakes.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "host/tcp_timeouts.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";
constexpr std::string_view kTcp = "net.ipv4.tcp_";
constexpr std::size_t kLongestKey = 64;  // longer than any key of about()

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// The first '.' or '/' of a key is its separator; the other character is then part of a word.
std::string with_dots(std::string_view key) {
  std::string name(key);
  const auto first = name.find_first_of("./");
  if (first == name.npos || name[first] == '.') return name;
  for (char& c : name) {
    if (c == '/')
      c = '.';
    else if (c == '.')
      c = '/';
  }
  return name;
}

// Parses as the kernel does: a number; text after a blank is ignored.
std::optional<std::int64_t> leading_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = end == text.data() + text.size() || kBlanks.find(*end) != kBlanks.npos;
  return error == std::errc{} && whole ? std::optional(value) : std::nullopt;
}

std::string about_fin_timeout(std::string_view value) {
  const auto number = leading_number(value);
  if (!number || *number >= 60) return {};
  return "does not shorten TIME_WAIT, which always lasts 60 s: it limits FIN_WAIT_2 of a "
         "connection "
         "that its process has closed";
}

// Empty: no mistake. `name` is the part after net.ipv4.tcp_.
std::string about(std::string_view name, std::string_view value) {
  if (name == "fin_timeout") return about_fin_timeout(value);
  if (name == "tw_recycle") return "removed in 4.12: it broke connections of clients behind NAT";
  if (name == "fack") return "has no effect since 4.15: RACK (tcp_recovery) detects losses instead";
  if (name == "low_latency")
    return "has no effect since 4.14, which removed the prequeue that it switched off";
  if (name == "westwood" || name == "bic" || name.starts_with("bic_"))
    return "removed in 2.6.13: tcp_congestion_control chooses the algorithm";
  return {};
}

}  // namespace

std::vector<SysctlMistake> find_sysctl_mistakes(std::string_view file, std::string_view text,
                                                std::size_t most) {
  std::vector<SysctlMistake> found;
  for (std::size_t number = 1; !text.empty() && found.size() < most; ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto equals = line.find('=');
    if (equals == line.npos || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '-') line.remove_prefix(1);  // "ignore errors"
    const auto split = line.find('=');
    const std::string_view key = trimmed(line.substr(0, split));
    if (key.size() > kLongestKey) continue;
    std::string name = with_dots(key);
    if (!name.starts_with(kTcp)) continue;
    std::string says =
        about(std::string_view(name).substr(kTcp.size()), trimmed(line.substr(split + 1)));
    if (!says.empty())
      found.push_back({std::string(file), number, std::move(name), std::move(says)});
  }
  return found;
}

}  // namespace tcpdwell
