// SPDX-License-Identifier: Apache-2.0
// .gopclntab: the Go runtime's own table of functions, lines and frame sizes, which stripped
// binaries have, too (Go 1.16 to today). Pure; the bytes are untrusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace tcpdwell {

class GoTable {
 public:
  // `bytes` must outlive it. nullopt: an unknown version, or damaged. `text` is the address of Go's
  // code, for tables that do not have it; 0: not known.
  static std::optional<GoTable> parse(std::span<const std::byte> bytes, std::uint64_t text);
  // Where a table begins in a section that has other data, too; nullopt: nowhere.
  static std::optional<std::size_t> find_begin(std::span<const std::byte> bytes);
  // Where a table has the address of Go's code, which can be 0, or written by the dynamic linker.
  static constexpr std::uint64_t kTextField = 24;

  struct Function {
    std::string name;
    std::string file;
    std::uint32_t line = 0;  // 0: not known
    // File and line are those of another function, which was inlined here.
    bool is_inlined = false;
    // Bytes between the stack pointer at this instruction and the return address (x86), or the
    // caller's stack pointer (arm64).
    std::optional<std::uint32_t> frame_size;
    bool is_outermost = false;    // the goroutine or thread began in it
    bool switches_stack = false;  // its caller is on another stack
  };
  // nullopt: no function of this table covers the address.
  std::optional<Function> find(std::uint64_t address) const;

 private:
  explicit GoTable(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::optional<std::uint64_t> number(std::uint64_t at, unsigned size) const;
  std::string text(std::uint64_t at) const;
  std::optional<std::int64_t> value_at(std::uint64_t table, std::uint64_t entry,
                                       std::uint64_t address) const;
  std::uint64_t entry_address(std::uint64_t index) const;
  bool is_inlined(std::uint64_t function, std::uint64_t entry, std::uint64_t address) const;
  std::string file_name(std::uint64_t function, std::uint64_t entry, std::uint64_t address) const;

  std::span<const std::byte> bytes_;
  bool relative_ = false;  // since Go 1.18: addresses are offsets from text_
  std::uint32_t quantum_ = 1;
  std::uint64_t function_size_ = 36;  // of _func without its entry; behind it are its PCDATA
  std::uint64_t functions_ = 0;
  std::uint64_t text_ = 0, names_ = 0, units_ = 0, files_ = 0, values_ = 0, table_ = 0;
};

}  // namespace tcpdwell
