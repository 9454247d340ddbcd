// SPDX-License-Identifier: Apache-2.0
#include "where/module.h"

#include <algorithm>

#include "model/stack.h"
#include "where/demangle.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostKnown = 65'536;  // addresses

std::span<const std::byte> bytes_of(const Elf_Data* data) {
  if (data == nullptr) return {};
  return {static_cast<const std::byte*>(data->d_buf), data->d_size};
}

// A PIE has the table in .data.rel.ro: in a part of its own if Go linked it, and among other data
// if the C toolchain did (cgo).
std::optional<GoTable> go_table_of(const ElfFile& file) {
  for (const char* name : {".gopclntab", ".data.rel.ro.gopclntab"})
    if (const Elf_Data* own = file.section(name))
      return GoTable::parse(bytes_of(own), file.section_address(".text"));
  if (file.section(".go.buildinfo") == nullptr) return std::nullopt;
  const auto shared = bytes_of(file.section(".data.rel.ro"));
  const auto begin = GoTable::find_begin(shared);
  if (!begin) return std::nullopt;
  const std::uint64_t address = file.section_address(".data.rel.ro") + *begin;
  const auto text = file.relocated(address + GoTable::kTextField);
  return GoTable::parse(shared.subspan(*begin), text.value_or(0));
}

void bound(std::string& text) {
  if (text.size() > kLongestFrameText) text.resize(kLongestFrameText);
}

}  // namespace

Module::Module(std::unique_ptr<ElfFile> file, FindSymbols find_symbols)
    : file_(std::move(file)), find_symbols_(std::move(find_symbols)) {}

void Module::load_frames() {
  if (std::exchange(frames_loaded_, true)) return;
  go_ = go_table_of(*file_);
  frames_ = std::make_unique<CallFrames>(*file_);
}

void Module::load_names() {
  if (std::exchange(names_loaded_, true)) return;
  load_frames();
  const bool has_dwarf = file_->section(".debug_info") != nullptr;
  if (!has_dwarf && find_symbols_) symbols_file_ = find_symbols_(*file_);
  const ElfFile& source = symbols_file_ != nullptr ? *symbols_file_ : *file_;
  dwarf_ = std::make_unique<DwarfNames>(source);
  symbols_ = std::make_unique<SymbolTable>(source);
}

// Go's frames have a fixed size at each instruction, and no other register is saved. On arm64 the
// return address is the innermost word of a frame; a function without a frame has it in its
// register.
Step Module::step_go(const GoTable::Function& function, const StackPiece& stack,
                     Registers& registers) {
  if (function.is_outermost) return Step::Outermost;
  if (function.switches_stack || !function.frame_size) return Step::Unreadable;
  const std::uint32_t size = *function.frame_size;
  const std::uint64_t begin = registers.stack_pointer(), end = begin + size;
#if defined(__aarch64__)
  const auto return_address = size == 0 ? registers.get(kReturnAddress) : stack.word(begin);
  const std::uint64_t callers = end;
#else
  const auto return_address = stack.word(end);
  const std::uint64_t callers = end + sizeof(std::uint64_t);
#endif
  if (!return_address) return Step::Unreadable;
  if (*return_address == 0) return Step::Outermost;
  Registers caller;
  // A function without a frame has not saved the frame pointer.
  if (const auto frame_pointer = registers.get(kFramePointer); size == 0 && frame_pointer)
    caller.set(kFramePointer, *frame_pointer);
  caller.set(kStackPointer, callers);
  caller.pc = *return_address;
  registers = caller;
  return Step::Done;
}

Step Module::step(std::uint64_t address, const StackPiece& stack, Registers& registers,
                  bool& interrupted) {
  load_frames();
  interrupted = false;
  if (go_)
    if (const auto function = go_->find(address)) return step_go(*function, stack, registers);
  return frames_->step(address, stack, registers, interrupted);
}

std::vector<SourcePlace> Module::find_names(std::uint64_t address) {
  load_names();
  std::vector<SourcePlace> places = dwarf_->find(address);
  const auto is_unnamed = [&] { return places.empty() || places.back().function.empty(); };
  if (is_unnamed() && go_)
    if (auto function = go_->find(address)) {
      places.clear();
      SourcePlace line{.function = {}, .file = std::move(function->file), .line = function->line};
      // The table does not name an inlined function, nor the line that calls it.
      if (function->is_inlined) places.push_back(std::exchange(line, {}));
      line.function = std::move(function->name);
      places.push_back(std::move(line));
    }
  const std::string_view symbol = symbols_->find(address);
  if (places.empty()) places.emplace_back();
  // The symbol also has the scope of a function in an unnamed namespace.
  if (is_unnamed() || symbol.starts_with("_Z")) places.back().function = demangle(symbol);
  for (SourcePlace& place : places) {
    bound(place.function);
    bound(place.file);
  }
  return places;
}

const std::vector<SourcePlace>& Module::names(std::uint64_t address) {
  if (const auto it = known_.find(address); it != known_.end()) return it->second;
  if (known_.size() >= kMostKnown) known_.clear();
  return known_.emplace(address, find_names(address)).first->second;
}

}  // namespace tcpdwell
