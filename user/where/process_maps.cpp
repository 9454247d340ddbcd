// SPDX-License-Identifier: Apache-2.0
#include "where/process_maps.h"

#include <algorithm>
#include <charconv>

namespace tcpdwell {
namespace {

constexpr std::size_t kLongestMappedPath = 4096;

// Takes a number from the front of `rest`, and the character after it.
template <typename Number>
bool take_number(std::string_view& rest, Number& value, char after, int base) {
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value, base);
  const auto used = static_cast<std::size_t>(end - rest.data());
  if (error != std::errc{} || used >= rest.size() || rest[used] != after) return false;
  rest.remove_prefix(used + 1);
  return true;
}

// "7f01-7f02 r-xp 00001000 fe:01 1234      /lib/libc.so.6"
std::optional<Mapping> parse_line(std::string_view line) {
  constexpr std::size_t kPermissions = 5;  // with the space
  Mapping mapping;
  if (!take_number(line, mapping.start, '-', 16) || !take_number(line, mapping.end, ' ', 16) ||
      mapping.end <= mapping.start || line.size() < kPermissions)
    return std::nullopt;
  mapping.executable = line[2] == 'x';
  mapping.shared = line[3] == 's';
  line.remove_prefix(kPermissions);
  if (!take_number(line, mapping.offset, ' ', 16) ||
      !take_number(line, mapping.device_major, ':', 16) ||
      !take_number(line, mapping.device_minor, ' ', 16))
    return std::nullopt;
  const auto digits = std::min(line.find(' '), line.size());
  const auto [end, error] = std::from_chars(line.data(), line.data() + digits, mapping.inode);
  if (error != std::errc{} || end != line.data() + digits) return std::nullopt;
  if (const auto path = line.find_first_not_of(' ', digits); path != line.npos)
    mapping.path = line.substr(path, kLongestMappedPath);
  return mapping;
}

}  // namespace

std::vector<Mapping> parse_maps(std::string_view text) {
  std::vector<Mapping> mappings;
  while (!text.empty() && mappings.size() < kMostMappings) {
    const auto size = text.find('\n');
    if (size == text.npos) break;  // the rest of the line is missing
    auto mapping = parse_line(text.substr(0, size));
    text.remove_prefix(size + 1);
    // The kernel lists them in order, but the process may change them during the read.
    if (mapping && (mappings.empty() || mappings.back().end <= mapping->start))
      mappings.push_back(std::move(*mapping));
  }
  return mappings;
}

const Mapping* find_mapping(const std::vector<Mapping>& mappings, std::uint64_t address) {
  const auto it =
      std::upper_bound(mappings.begin(), mappings.end(), address,
                       [](std::uint64_t at, const Mapping& mapping) { return at < mapping.end; });
  return it != mappings.end() && it->start <= address ? &*it : nullptr;
}

}  // namespace tcpdwell
