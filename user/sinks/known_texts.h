// SPDX-License-Identifier: Apache-2.0
// A cache of formatted text. The owner and the addresses of a connection recur often and cost more
// to format than the rest of a line.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tcpdwell {

// Bounded: kEntries entries, each with the latest text whose key hashes to it. Only the lower bits
// of Hash()(key) count.
template <typename Key, typename Hash, std::size_t kMost, std::size_t kEntries>
class KnownTexts {
 public:
  static_assert((kEntries & (kEntries - 1)) == 0);

  // Copies the text of `key` to `to`, which must have room for kMost bytes, and returns its end.
  // make(char*) writes at most kMost bytes and returns the end.
  template <typename Make>
  char* put(char* to, const Key& key, Make&& make) {
    Entry& entry = entries_[Hash()(key) & (kEntries - 1)];
    if (entry.size == 0 || !(entry.key == key)) {
      entry.size = static_cast<std::size_t>(make(entry.text.data()) - entry.text.data());
      entry.key = key;
    }
    std::memcpy(to, entry.text.data(), kMost);  // constant size: compiles to a few moves
    return to + entry.size;
  }

 private:
  struct Entry {
    Key key{};
    std::size_t size = 0;  // 0: empty
    std::array<char, kMost> text{};
  };
  std::array<Entry, kEntries> entries_{};
};

}  // namespace tcpdwell
