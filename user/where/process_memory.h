// SPDX-License-Identifier: Apache-2.0
// The memory of another process. A test has its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tcpdwell {

class MemoryReader {
 public:
  virtual ~MemoryReader() = default;
  // Returns the number of bytes that could be read.
  virtual std::size_t read(std::uint64_t at, std::span<std::byte> to) const = 0;

  template <typename Number>
  std::optional<Number> number(std::uint64_t at) const {
    Number value{};
    return read(at, std::as_writable_bytes(std::span(&value, 1))) == sizeof value
               ? std::optional(value)
               : std::nullopt;
  }
  std::optional<std::uint64_t> word(std::uint64_t at) const { return number<std::uint64_t>(at); }
};

// Reading may hang, if a page belongs to a file system that does not answer.
class ProcessMemory final : public MemoryReader {
 public:
  explicit ProcessMemory(std::uint32_t pid) : pid_(pid) {}
  std::size_t read(std::uint64_t at, std::span<std::byte> to) const override;

 private:
  std::uint32_t pid_;
};

}  // namespace tcpdwell
