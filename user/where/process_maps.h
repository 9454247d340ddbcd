// SPDX-License-Identifier: Apache-2.0
// The mappings of a process: /proc/PID/maps as text. Pure. The text is untrusted: another process
// chooses its paths, and how many lines there are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

struct Mapping {
  std::uint64_t start = 0, end = 0;  // end: exclusive
  std::uint64_t offset = 0;          // of `start` in the file
  std::uint32_t device_major = 0, device_minor = 0;
  std::uint64_t inode = 0;  // 0: no file
  bool executable = false, shared = false;
  std::string path;  // empty: anonymous; "[heap]", "[vdso]": no file

  bool is_file() const { return inode != 0; }
  bool operator==(const Mapping&) const = default;
};

inline constexpr std::size_t kMostMappings = 32'768;

// Sorted by address. Skips lines that are damaged, and all beyond kMostMappings.
std::vector<Mapping> parse_maps(std::string_view text);
// nullptr: nothing is mapped there.
const Mapping* find_mapping(const std::vector<Mapping>& mappings, std::uint64_t address);

}  // namespace tcpdwell
