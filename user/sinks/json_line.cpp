// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_line.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <string>

namespace tcpdwell::json {
namespace {

struct ByteText {
  std::array<char, 3> text{};
  std::uint8_t size = 0;
};

constexpr std::array<ByteText, 256> kBytes = [] {
  std::array<ByteText, 256> bytes{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    ByteText& entry = bytes[byte];
    if (byte >= 100) entry.text[entry.size++] = static_cast<char>('0' + byte / 100);
    if (byte >= 10) entry.text[entry.size++] = static_cast<char>('0' + byte / 10 % 10);
    entry.text[entry.size++] = static_cast<char>('0' + byte % 10);
  }
  return bytes;
}();

struct Ipv6Text {
  std::array<std::uint8_t, 16> addr{};
  std::uint8_t size = 0;  // 0: empty
  std::array<char, 47> text{};
};

// inet_ntop() takes longer than the rest of a line, and addresses come again and again.
const Ipv6Text& ipv6(const Endpoint& end) {
  thread_local std::array<Ipv6Text, 256> known;
  std::array<std::uint64_t, 2> halves;
  std::memcpy(halves.data(), end.addr.data(), sizeof halves);
  const std::uint64_t hash = (halves[0] * 31 + halves[1]) * 0x9e3779b97f4a7c15;
  Ipv6Text& entry = known[hash >> 56U];
  if (entry.size != 0 && entry.addr == end.addr) return entry;
  const std::string text = format_address(end, Family::Ipv6);
  entry.addr = end.addr;
  entry.size = static_cast<std::uint8_t>(std::min(text.size(), entry.text.size()));
  std::copy_n(text.begin(), entry.size, entry.text.begin());
  return entry;
}

}  // namespace

char* address(char* to, const Endpoint& end, Family family) {
  if (family == Family::Ipv6) {
    const Ipv6Text& known = ipv6(end);
    return text(to, {known.text.data(), known.size});
  }
  for (std::size_t i = 0; i < 4; ++i) {
    const ByteText& byte = kBytes[end.addr[i]];
    std::memcpy(to, byte.text.data(),
                byte.text.size());  // the next one overwrites what is too much
    to += byte.size;
    *to++ = '.';
  }
  return to - 1;
}

// What changes once a second is kept.
char* time(char* to, Nanos unix_time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::size_t kLength = 19;
  struct Cache {
    std::int64_t second = -1;
    std::array<char, kLength + 1> text{};
  };
  thread_local Cache cache;
  const std::int64_t second = unix_time.count() / kSecond;
  if (second != cache.second) {
    std::tm utc{};
    const auto seconds = static_cast<std::time_t>(second);
    ::gmtime_r(&seconds, &utc);
    std::strftime(cache.text.data(), cache.text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
    cache.second = second;
  }
  std::memcpy(to, cache.text.data(), kLength);
  to = put(to + kLength, '.');
  to = digits(to, static_cast<std::uint32_t>(unix_time.count() % kSecond), 9);
  return put(to, 'Z');
}

}  // namespace tcpdwell::json
