// SPDX-License-Identifier: Apache-2.0
#include "where/call_frames.h"

#include <array>
#include <cstdlib>
#include <memory>

#include "where/dwarf_expression.h"

namespace tcpdwell {
namespace {

struct FreeFrame {
  void operator()(Dwarf_Frame* frame) const noexcept { std::free(frame); }
};

// Where the caller's value of a register is.
struct Rule {
  std::array<Dwarf_Op, 3> own{};
  Dwarf_Op* operations = nullptr;
  std::size_t count = 0;
  bool is_undefined() const { return count == 0 && operations == own.data(); }
  bool is_unchanged() const { return count == 0 && operations == nullptr; }
};

std::optional<std::uint64_t> value_of(const Rule& rule, const ExpressionInput& input) {
  const auto result = evaluate({rule.operations, rule.count}, input);
  if (!result) return std::nullopt;
  return result->is_value ? std::optional(result->value) : input.stack.word(result->value);
}

}  // namespace

CallFrames::CallFrames(const ElfFile& file) : table_(dwarf_getcfi_elf(file.get())) {}

CallFrames::~CallFrames() {
  if (table_ != nullptr) dwarf_cfi_end(table_);
}

Step CallFrames::step(std::uint64_t address, const StackPiece& stack, Registers& registers,
                      bool& interrupted) {
  Dwarf_Frame* found = nullptr;
  if (table_ == nullptr || dwarf_cfi_addrframe(table_, address, &found) != 0) return Step::NoTable;
  const std::unique_ptr<Dwarf_Frame, FreeFrame> frame(found);
  bool signal = false;
  const int return_register = dwarf_frame_info(found, nullptr, nullptr, &signal);
  Dwarf_Op* operations = nullptr;
  std::size_t count = 0;
  if (return_register < 0 || static_cast<unsigned>(return_register) >= kRegisters ||
      dwarf_frame_cfa(found, &operations, &count) != 0 || count == 0)
    return Step::Unreadable;
  ExpressionInput input{.registers = registers, .stack = stack, .frame_address = std::nullopt};
  const auto frame_address = evaluate({operations, count}, input);
  if (!frame_address) return Step::Unreadable;
  input.frame_address = frame_address->value;

  Registers caller;
  for (unsigned number = 0; number < kRegisters; ++number) {
    Rule rule;
    if (dwarf_frame_register(found, static_cast<int>(number), rule.own.data(), &rule.operations,
                             &rule.count) != 0)
      return Step::Unreadable;
    const bool returns = number == static_cast<unsigned>(return_register);
    if (returns && rule.is_undefined()) return Step::Outermost;
    std::optional<std::uint64_t> value;
    if (rule.is_unchanged())
      value = registers.get(number);
    else if (!rule.is_undefined())
      value = value_of(rule, input);
    if (value) caller.set(number, *value);
  }
  caller.set(kStackPointer, caller.get(kStackPointer).value_or(*input.frame_address));
  const auto return_address = caller.get(static_cast<unsigned>(return_register));
  if (!return_address) return Step::Unreadable;
  if (*return_address == 0) return Step::Outermost;
  caller.pc = *return_address;
  // Callers are further out, or the information leads in a circle.
  if (!signal && caller.stack_pointer() < registers.stack_pointer()) return Step::Unreadable;
  registers = caller;
  interrupted = signal;
  return Step::Done;
}

}  // namespace tcpdwell
