// SPDX-License-Identifier: Apache-2.0
// Functions and lines from the DWARF of one file, with inlined functions expanded. Finds the unit
// of an address also without .debug_aranges (clang), and enters namespaces (Rust). The file is
// untrusted: depths and counts are bounded.
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>
#include <string>
#include <vector>

#include "where/elf_file.h"

namespace tcpdwell {

struct SourcePlace {
  std::string function;  // demangled; empty: not known
  std::string file;
  std::uint32_t line = 0;
};

class DwarfNames {
 public:
  explicit DwarfNames(const ElfFile& file);
  ~DwarfNames();
  DwarfNames(const DwarfNames&) = delete;
  DwarfNames& operator=(const DwarfNames&) = delete;

  bool empty() const { return units_.empty(); }
  // Innermost first: the inlined functions at this address, then the function. Empty: not known.
  std::vector<SourcePlace> find(std::uint64_t address);

 private:
  struct Unit {
    std::uint64_t begin, end;
    std::uint64_t die;  // offset in .debug_info
  };
  void list_units();
  Dwarf* dwarf_ = nullptr;
  std::vector<Unit> units_;  // sorted by begin
};

}  // namespace tcpdwell
