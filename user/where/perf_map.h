// SPDX-License-Identifier: Apache-2.0
// What a JIT compiler tells of the code that it has made: the text of /tmp/perf-PID.map, a line for
// each function with its address, size and name. Pure. The text is untrusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "where/dwarf_names.h"

namespace tcpdwell {

class PerfMap {
 public:
  static constexpr std::size_t kLargest = 32U << 20U;
  static constexpr std::size_t kMostEntries = 400'000;

  PerfMap() = default;
  // Skips damaged lines, and all beyond kMostEntries.
  explicit PerfMap(std::string text);

  // The line is that on which the function begins; nullopt: not in the map.
  std::optional<SourcePlace> find(std::uint64_t address) const;
  bool has(std::uint64_t address) const { return entry_at(address) != nullptr; }
  // Made by V8, whose code keeps frame pointers.
  bool is_of_v8() const { return is_of_v8_; }

 private:
  struct Entry {
    std::uint64_t begin = 0;
    std::uint32_t size = 0, name_at = 0;
  };
  const Entry* entry_at(std::uint64_t address) const;
  std::string_view name_of(const Entry& entry) const;

  std::string text_;
  std::vector<Entry> entries_;  // the newest one last: it counts
  bool is_of_v8_ = false;
};

// "JS:*checkout /srv/app.js:12:18" of V8, "void Pool.checkout(int)" of a JDK, or any other name.
SourcePlace jit_place(std::string_view name);

}  // namespace tcpdwell
