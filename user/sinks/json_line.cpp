// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_line.h"

#include <algorithm>
#include <ctime>
#include <string>

namespace tcpdwell {

void JsonLine::address(const Endpoint& end, Family family) {
  if (family == Family::Ipv6) {
    const Ipv6Text& known = ipv6(end);
    return text({known.text.data(), known.size});
  }
  for (std::size_t i = 0; i < 4; ++i) {
    if (i != 0) put('.');
    const unsigned byte = end.addr[i];
    if (byte >= 100) put(static_cast<char>('0' + byte / 100));
    if (byte >= 10) put(static_cast<char>('0' + byte / 10 % 10));
    put(static_cast<char>('0' + byte % 10));
  }
}

// inet_ntop() takes longer than the rest of the line.
const JsonLine::Ipv6Text& JsonLine::ipv6(const Endpoint& end) {
  if (!ipv6_) ipv6_ = std::make_unique<std::array<Ipv6Text, kIpv6Texts>>();
  std::uint64_t halves[2];
  std::memcpy(halves, end.addr.data(), sizeof halves);
  const std::uint64_t hash = (halves[0] * 31 + halves[1]) * 0x9e3779b97f4a7c15;
  Ipv6Text& entry = (*ipv6_)[hash >> 56];
  if (entry.size != 0 && entry.addr == end.addr) return entry;
  const std::string text = format_address(end, Family::Ipv6);
  entry.addr = end.addr;
  entry.size = static_cast<std::uint8_t>(std::min(text.size(), entry.text.size()));
  std::copy_n(text.begin(), entry.size, entry.text.begin());
  return entry;
}

void JsonLine::time(Nanos unix_time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t second = unix_time.count() / kSecond;
  if (second != second_) {
    std::tm utc{};
    const auto seconds = static_cast<std::time_t>(second);
    ::gmtime_r(&seconds, &utc);
    std::strftime(second_text_.data(), second_text_.size(), "%Y-%m-%dT%H:%M:%S", &utc);
    second_ = second;
  }
  text({second_text_.data(), 19});
  put('.');
  digits(static_cast<std::uint32_t>(unix_time.count() % kSecond), 9);
  put('Z');
}

}  // namespace tcpdwell
