// SPDX-License-Identifier: Apache-2.0
// An ELF file that another process chose: its segments, build id and sections. Reads with pread(),
// never through a mapping: the owner may shorten the file, and that would be a SIGBUS.
#pragma once

#include <libelf.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/unique_fd.h"

namespace tcpdwell {

class ElfFile {
 public:
  // `file` is readable and regular. nullptr: no ELF file of this machine.
  static std::unique_ptr<ElfFile> open(UniqueFd file);
  ~ElfFile();
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;

  Elf* get() const { return elf_; }
  bool is_unchanged() const;  // nobody has written to the file since it was opened
  // The address (as in its symbols) of the byte at this offset; nullopt: not in code.
  std::optional<std::uint64_t> address_of(std::uint64_t offset) const;
  const std::string& build_id() const { return build_id_; }  // lower-case hex; empty: none
  // The contents of a section; nullptr: none, or too large. Valid as long as this.
  const Elf_Data* section(std::string_view name) const;
  std::uint64_t section_address(std::string_view name) const;  // 0: none
  // The address that the dynamic linker writes at `address` (of .rela.dyn), without where the file
  // is loaded; nullopt: none.
  std::optional<std::uint64_t> relocated(std::uint64_t address) const;
  // .gnu_debuglink: the name of the file with the symbols; empty: none.
  std::string debug_link() const;

 private:
  struct Segment {
    std::uint64_t offset, size, address;
  };
  struct Version {
    std::int64_t size = 0, changed_s = 0, changed_ns = 0;
    bool operator==(const Version&) const = default;
  };
  ElfFile(UniqueFd file, Elf* elf) : file_(std::move(file)), elf_(elf), version_(version()) {}
  Version version() const;
  bool read_segments();
  void read_build_id();
  Elf_Scn* find_section(std::string_view name) const;
  Elf_Data* data_of(std::string_view name) const;

  UniqueFd file_;
  Elf* elf_ = nullptr;
  Version version_;
  std::vector<Segment> code_;
  std::string build_id_;
};

}  // namespace tcpdwell
