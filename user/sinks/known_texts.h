// SPDX-License-Identifier: Apache-2.0
// Text that was made before, found by what it was made from. Whose a connection is and between
// which addresses comes again and again, and takes longer to make than all the rest of a line.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tcpdwell {

// Bounded: one text for each of kEntries places, the latest that fell there. Place()(key) says
// which place is a key's; only its lower bits count.
template <typename Key, typename Hash, std::size_t kMost, std::size_t kEntries>
class KnownTexts {
 public:
  static_assert((kEntries & (kEntries - 1)) == 0);

  // Puts the text of `key` at `to`, where there is room for kMost bytes whatever its size is;
  // returns its end. make(char*) makes it, at most kMost bytes, and returns its end.
  template <typename Make>
  char* put(char* to, const Key& key, Make&& make) {
    Entry& entry = entries_[Hash()(key) & (kEntries - 1)];
    if (entry.size == 0 || !(entry.key == key)) {
      entry.size = static_cast<std::size_t>(make(entry.text.data()) - entry.text.data());
      entry.key = key;
    }
    std::memcpy(to, entry.text.data(), kMost);  // of a size known beforehand: a few moves
    return to + entry.size;
  }

 private:
  struct Entry {
    Key key{};
    std::size_t size = 0;  // 0: nobody's
    std::array<char, kMost> text{};
  };
  std::array<Entry, kEntries> entries_{};
};

}  // namespace tcpdwell
