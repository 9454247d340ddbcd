// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_line.h"

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

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

char* address(char* to, const Endpoint& end, Family family) {
  if (family == Family::Ipv6) return text(to, format_address(end, family));
  for (std::size_t i = 0; i < 4; ++i) {
    const ByteText& byte = kBytes[end.addr[i]];
    std::memcpy(to, byte.text.data(),
                byte.text.size());  // the next write overwrites the excess
    to += byte.size;
    *to++ = '.';
  }
  return to - 1;
}

// Caches the part that changes once a second.
char* time(char* to, Nanos unix_time) {
  constexpr std::size_t kLength = 19;
  struct Cache {
    std::int64_t second = -1;
    std::array<char, kLength + 1> text{};
  };
  constinit thread_local Cache cache;
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

char* mono_ns(char* to, Nanos mono) {
  struct Cache {
    std::int64_t second = 0;
    std::size_t size = 0;
    std::array<char, 24> text{};
  };
  constinit thread_local Cache cache;
  const std::int64_t second = mono.count() / kSecond;
  if (second <= 0) return number(to, mono.count());
  if (second != cache.second) {
    const char* end = number(cache.text.data(), second);
    cache.size = static_cast<std::size_t>(end - cache.text.data());
    cache.second = second;
  }
  std::memcpy(to, cache.text.data(), cache.text.size());
  return digits(to + cache.size, static_cast<std::uint32_t>(mono.count() % kSecond), 9);
}

}  // namespace tcpdwell::json
