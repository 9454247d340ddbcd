// SPDX-License-Identifier: Apache-2.0
// Functions that write parts of a JSON line. Each writes to memory with enough room and returns the
// end: no allocation, and the position stays in a register.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "model/types.h"
#include "sinks/escape.h"

namespace tcpdwell {

// The reusable buffer of a line.
class JsonLine {
 public:
  // Begins a line of at most `room` bytes; drops the contents.
  char* begin(std::size_t room) {
    if (room > room_) {
      room_ = room;
      bytes_ = std::make_unique_for_overwrite<char[]>(room);
    }
    size_ = 0;
    return bytes_.get();
  }
  void end(const char* end) { size_ = static_cast<std::size_t>(end - bytes_.get()); }
  std::string_view text() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t room_ = 0, size_ = 0;
};

namespace json {

// Constant size: compiles to a few moves.
template <std::size_t N>
char* put(char* to, const char (&literal)[N]) {
  std::memcpy(to, literal, N - 1);
  return to + N - 1;
}

inline char* put(char* to, char c) {
  *to = c;
  return to + 1;
}

inline char* text(char* to, std::string_view text) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

template <typename Int>
char* number(char* to, Int value) {
  if (value >= 0 && value < 10) return put(to, static_cast<char>('0' + value));  // the usual case
  return std::to_chars(to, to + 24, value).ptr;
}

inline char* hex(char* to, std::uint64_t value) {
  return std::to_chars(to, to + 24, value, 16).ptr;
}

// "00", "01" to "99".
inline constexpr auto kPairs = [] {
  std::array<std::array<char, 2>, 100> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i)
    pairs[i] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
  return pairs;
}();

// Exactly `width` digits.
inline char* digits(char* to, std::uint32_t value, int width) {
  for (int left = width; left > 0; left -= 2, value /= 100) {
    const auto& pair = kPairs[value % 100];
    if (left == 1)
      to[0] = pair[1];
    else
      std::memcpy(to + left - 2, pair.data(), pair.size());
  }
  return to + width;
}

// A word of our own, which needs no escape. Empty: null.
inline char* word(char* to, std::string_view word) {
  if (word.empty()) return put(to, "null");
  *to = '"';
  to = text(to + 1, word);
  return put(to, '"');
}

char* address(char* to, const Endpoint& end, Family family);
// RFC 3339, UTC, with nanoseconds.
char* time(char* to, Nanos unix_time);
// As number(), but fast for values near the previous one.
char* mono_ns(char* to, Nanos mono);

}  // namespace json
}  // namespace tcpdwell
