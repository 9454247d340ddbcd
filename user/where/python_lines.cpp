// SPDX-License-Identifier: Apache-2.0
// Format: Objects/locations.md of CPython.
#include "where/python_lines.h"

namespace tcpdwell {
namespace {

constexpr unsigned kOneLine0 = 10, kOneLine2 = 12, kNoColumns = 13, kLong = 14, kNone = 15;
constexpr std::int64_t kInstruction = 2;  // bytes

class Table {
 public:
  explicit Table(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool at_end() const { return next_ >= bytes_.size(); }
  bool damaged() const { return damaged_; }
  unsigned byte() {
    damaged_ = damaged_ || at_end();
    return damaged_ ? 0 : std::to_integer<unsigned>(bytes_[next_++]);
  }
  void skip(std::size_t count) { next_ += count; }
  std::uint32_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 36; shift += 6) {
      const unsigned part = byte();
      value |= std::uint64_t{part & 63U} << shift;
      if ((part & 64U) == 0) return static_cast<std::uint32_t>(value);
    }
    damaged_ = true;
    return 0;
  }
  std::int64_t signed_varint() {
    const std::uint32_t value = varint();
    const std::int64_t half = value >> 1U;
    return (value & 1U) != 0 ? -half : half;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t next_ = 0;
  bool damaged_ = false;
};

}  // namespace

std::optional<std::uint32_t> python_line(std::span<const std::byte> table, std::uint32_t first_line,
                                         std::int64_t offset) {
  if (offset < 0) return first_line;
  Table entries(table);
  std::int64_t line = first_line, end = 0;
  while (!entries.at_end()) {
    const unsigned head = entries.byte();
    const unsigned code = head >> 3U & 15U;
    if ((head & 128U) == 0) return std::nullopt;
    end += ((head & 7U) + 1) * kInstruction;
    if (code == kNoColumns || code == kLong)
      line += entries.signed_varint();
    else if (code >= kOneLine0 && code <= kOneLine2)
      line += code - kOneLine0;
    if (code == kLong)
      for (int i = 0; i < 3; ++i) entries.varint();
    else if (code >= kOneLine0 && code <= kOneLine2)
      entries.skip(2);
    else if (code < kOneLine0)
      entries.skip(1);
    if (entries.damaged()) return std::nullopt;
    if (offset < end)
      return code == kNone || line <= 0 || line > UINT32_MAX
                 ? std::nullopt
                 : std::optional(static_cast<std::uint32_t>(line));
  }
  return std::nullopt;
}

}  // namespace tcpdwell
