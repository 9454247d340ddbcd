// SPDX-License-Identifier: Apache-2.0
// A line of JSON under construction, in a buffer that is used again and again: nothing is allocated
// for a line, and no piece of it is looked at twice. The caller says how much room a line may need
// before it writes it.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "core/types.h"
#include "sinks/escape.h"

namespace tcpdwell {

class JsonLine {
 public:
  // Begins anew; at most `room` bytes will be put in.
  void begin(std::size_t room) {
    if (room > room_) {
      room_ = room;
      bytes_ = std::make_unique_for_overwrite<char[]>(room);
    }
    end_ = bytes_.get();
  }
  std::string_view text() const {
    return {bytes_.get(), static_cast<std::size_t>(end_ - bytes_.get())};
  }

  // The size is known when this is compiled: a few moves.
  template <std::size_t N>
  void put(const char (&literal)[N]) {
    std::memcpy(end_, literal, N - 1);
    end_ += N - 1;
  }
  void put(char c) { *end_++ = c; }
  void text(std::string_view text) {
    std::memcpy(end_, text.data(), text.size());
    end_ += text.size();
  }
  template <typename Int>
  void number(Int value, int base = 10) {
    end_ = std::to_chars(end_, end_ + 24, value, base).ptr;
  }
  // Exactly `width` of them.
  void digits(std::uint32_t value, int width) {
    for (int i = width - 1; i >= 0; --i, value /= 10) end_[i] = static_cast<char>('0' + value % 10);
    end_ += width;
  }
  void string(std::string_view untrusted) { end_ = write_json_string(end_, untrusted); }
  // One of our own words: nothing to escape. Empty: null.
  void word(std::string_view word) {
    if (word.empty()) return put("null");
    put('"');
    text(word);
    put('"');
  }
  void address(const Endpoint& end, Family family);
  // RFC 3339, UTC, with nanoseconds.
  void time(Nanos unix_time);

 private:
  struct Ipv6Text {
    std::array<std::uint8_t, 16> addr{};
    std::uint8_t size = 0;  // 0: empty
    std::array<char, 47> text{};
  };
  static constexpr std::size_t kIpv6Texts = 256;

  const Ipv6Text& ipv6(const Endpoint& end);

  std::unique_ptr<char[]> bytes_;
  std::size_t room_ = 0;
  char* end_ = nullptr;
  // What changes once a second, and addresses that come again and again.
  std::int64_t second_ = -1;
  std::array<char, 20> second_text_{};
  std::unique_ptr<std::array<Ipv6Text, kIpv6Texts>> ipv6_;
};

}  // namespace tcpdwell
