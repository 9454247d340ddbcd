// SPDX-License-Identifier: Apache-2.0
// The functions in the symbol tables of an ELF file, by address.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "where/elf_file.h"

namespace tcpdwell {

class SymbolTable {
 public:
  // .symtab and .dynsym. The names stay in `file`, which must outlive it.
  explicit SymbolTable(const ElfFile& file);
  // The mangled name of the function that covers this address; empty: none does. A symbol without
  // a size covers nothing: the next function may be a static one without a symbol.
  std::string_view find(std::uint64_t address) const;
  bool empty() const { return functions_.empty(); }

 private:
  struct Function {
    std::uint64_t address;
    std::uint32_t size;
    const char* name;
  };
  void read(Elf* elf, Elf_Scn* section, std::size_t names);

  std::vector<Function> functions_;  // sorted by address
};

}  // namespace tcpdwell
