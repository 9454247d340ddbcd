// SPDX-License-Identifier: Apache-2.0
// What unwinding begins with: the registers of a thread at its system call, and the innermost part
// of its stack. Both are untrusted: the thread chooses them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

namespace tcpdwell {

// By their DWARF numbers.
#if defined(__aarch64__)
inline constexpr std::size_t kRegisters = 32;  // x0 to x30, sp
inline constexpr unsigned kFramePointer = 29, kReturnAddress = 30, kStackPointer = 31;
#else
inline constexpr std::size_t kRegisters = 17;  // rax to r15, and the return address
inline constexpr unsigned kFramePointer = 6, kStackPointer = 7, kReturnAddress = 16;
#endif

struct Registers {
  std::uint64_t pc = 0;
  std::array<std::uint64_t, kRegisters> value{};
  std::uint32_t known = 0;  // bit n: register n is known

  std::optional<std::uint64_t> get(std::uint64_t number) const {
    return number < kRegisters && (known >> number & 1U) != 0 ? std::optional(value[number])
                                                              : std::nullopt;
  }
  void set(unsigned number, std::uint64_t to) {
    value[number] = to;
    known |= 1U << number;
  }
  std::uint64_t stack_pointer() const { return value[kStackPointer]; }
};

inline constexpr std::size_t kMostStackBytes = 32U << 10U;

struct StackPiece {
  std::uint64_t begin = 0;
  std::vector<std::byte> bytes;

  std::optional<std::uint64_t> word(std::uint64_t at) const {
    std::uint64_t word = 0;
    if (at < begin || bytes.size() < sizeof word || at - begin > bytes.size() - sizeof word)
      return std::nullopt;
    std::memcpy(&word, bytes.data() + (at - begin), sizeof word);
    return word;
  }
};

}  // namespace tcpdwell
