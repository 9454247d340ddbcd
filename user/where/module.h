// SPDX-License-Identifier: Apache-2.0
// One executable or library, whichever processes map it: steps to callers, and names of addresses.
// Addresses are those in the file, without the bias of a process. Everything is read when it is
// first needed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "where/call_frames.h"
#include "where/dwarf_names.h"
#include "where/elf_file.h"
#include "where/go_table.h"
#include "where/symbol_table.h"

namespace tcpdwell {

class Module {
 public:
  // `find_symbols` may return another file with the symbols of this one, or nullptr.
  using FindSymbols = std::function<std::unique_ptr<ElfFile>(const ElfFile&)>;
  Module(std::unique_ptr<ElfFile> file, FindSymbols find_symbols);

  const ElfFile& file() const { return *file_; }
  Step step(std::uint64_t address, const StackPiece& stack, Registers& registers,
            bool& interrupted);
  // Innermost first; at least one place, which can be without a name. `address` is within the
  // instruction: for a return address one less.
  const std::vector<SourcePlace>& names(std::uint64_t address);

 private:
  void load_frames();
  void load_names();
  Step step_go(const GoTable::Function& function, const StackPiece& stack, Registers& registers);
  std::vector<SourcePlace> find_names(std::uint64_t address);

  std::unique_ptr<ElfFile> file_;
  FindSymbols find_symbols_;
  bool frames_loaded_ = false, names_loaded_ = false;
  std::optional<GoTable> go_;
  std::unique_ptr<CallFrames> frames_;
  std::unique_ptr<ElfFile> symbols_file_;  // another file with the symbols
  std::unique_ptr<SymbolTable> symbols_;
  std::unique_ptr<DwarfNames> dwarf_;
  std::map<std::uint64_t, std::vector<SourcePlace>> known_;  // names by address
};

}  // namespace tcpdwell
