// SPDX-License-Identifier: Apache-2.0
#include "where/symbol_table.h"

#include <gelf.h>

#include <algorithm>
#include <limits>

namespace tcpdwell {
namespace {

constexpr std::size_t kMostSymbols = 2'000'000;
constexpr std::size_t kLookedAt = 16;  // functions that begin before the address

}  // namespace

SymbolTable::SymbolTable(const ElfFile& file) {
  Elf* elf = file.get();
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) != nullptr &&
        (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
      read(elf, section, header.sh_link);
  }
  std::stable_sort(functions_.begin(), functions_.end(),
                   [](const Function& a, const Function& b) { return a.address < b.address; });
  functions_.shrink_to_fit();
}

void SymbolTable::read(Elf* elf, Elf_Scn* section, std::size_t names) {
  Elf_Data* data = elf_getdata(section, nullptr);
  if (data == nullptr || data->d_buf == nullptr) return;
  const std::size_t count = std::min(data->d_size / sizeof(Elf64_Sym), kMostSymbols);
  for (std::size_t i = 0; i < count && functions_.size() < kMostSymbols; ++i) {
    GElf_Sym symbol;
    if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) return;
    const unsigned type = GELF_ST_TYPE(symbol.st_info);
    if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF ||
        symbol.st_size == 0 || symbol.st_size > std::numeric_limits<std::uint32_t>::max())
      continue;
    const char* name = elf_strptr(elf, names, symbol.st_name);
    if (name != nullptr && *name != '\0')
      functions_.push_back({symbol.st_value, static_cast<std::uint32_t>(symbol.st_size), name});
  }
}

// The innermost of those that cover it: the last one that begins before it.
std::string_view SymbolTable::find(std::uint64_t address) const {
  auto it = std::upper_bound(
      functions_.begin(), functions_.end(), address,
      [](std::uint64_t at, const Function& function) { return at < function.address; });
  for (std::size_t i = 0; i < kLookedAt && it != functions_.begin(); ++i)
    if (--it; address - it->address < it->size) return it->name;
  return {};
}

}  // namespace tcpdwell
