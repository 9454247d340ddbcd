// SPDX-License-Identifier: Apache-2.0
#include "where/dwarf_expression.h"

#include <dwarf.h>

#include <array>

namespace tcpdwell {
namespace {

constexpr int kMostSteps = 256;
constexpr std::size_t kDeepest = 32;

class Evaluator {
 public:
  explicit Evaluator(const ExpressionInput& input) : input_(input) {}

  std::optional<ExpressionResult> run(std::span<const Dwarf_Op> operations) {
    std::size_t next = 0;
    for (int step = 0; next < operations.size(); ++step) {
      if (step == kMostSteps) return std::nullopt;
      const Dwarf_Op& operation = operations[next++];
      if (operation.atom == DW_OP_bra || operation.atom == DW_OP_skip) {
        if (operation.atom == DW_OP_bra && pop() == 0) continue;
        const auto target = find_target(operations, operation);
        if (!target) return std::nullopt;
        next = *target;
      } else {
        apply(operation);
      }
      if (failed_) return std::nullopt;
    }
    const std::uint64_t top = pop();
    if (failed_) return std::nullopt;
    return ExpressionResult{.value = top, .is_value = is_value_};
  }

 private:
  // The operand counts from the end of the operation, which has 3 bytes.
  static std::optional<std::size_t> find_target(std::span<const Dwarf_Op> operations,
                                                const Dwarf_Op& jump) {
    const std::uint64_t offset = jump.offset + 3 + jump.number;
    for (std::size_t i = 0; i < operations.size(); ++i)
      if (operations[i].offset == offset) return i;
    return std::nullopt;
  }

  void apply(const Dwarf_Op& operation) {
    const unsigned atom = operation.atom;
    if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
      push(atom - DW_OP_lit0);
    else if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
      push(read_register(atom - DW_OP_breg0) + operation.number);
    else if (atom >= DW_OP_reg0 && atom <= DW_OP_reg31)
      push_value(read_register(atom - DW_OP_reg0));
    else
      apply_other(operation);
  }

  void apply_other(const Dwarf_Op& operation) {
    switch (operation.atom) {
      case DW_OP_addr:
      case DW_OP_const1u:
      case DW_OP_const1s:
      case DW_OP_const2u:
      case DW_OP_const2s:
      case DW_OP_const4u:
      case DW_OP_const4s:
      case DW_OP_const8u:
      case DW_OP_const8s:
      case DW_OP_constu:
      case DW_OP_consts: return push(operation.number);
      case DW_OP_bregx: return push(read_register(operation.number) + operation.number2);
      case DW_OP_regx: return push_value(read_register(operation.number));
      case DW_OP_call_frame_cfa: return push(need(input_.frame_address));
      case DW_OP_stack_value: is_value_ = true; return;
      case DW_OP_nop: return;
      case DW_OP_deref: return push(need(input_.stack.word(pop())));
      case DW_OP_dup: return push(pick(0));
      case DW_OP_over: return push(pick(1));
      case DW_OP_pick: return push(pick(operation.number));
      case DW_OP_drop: pop(); return;
      case DW_OP_plus_uconst: return push(pop() + operation.number);
      case DW_OP_neg: return push(~pop() + 1);
      case DW_OP_not: return push(~pop());
      default: return apply_binary(operation.atom);
    }
  }

  void apply_binary(unsigned atom) {
    const std::uint64_t right = pop(), left = pop();
    const auto right_signed = static_cast<std::int64_t>(right);
    const auto left_signed = static_cast<std::int64_t>(left);
    const bool shifts_out = right >= 64;
    switch (atom) {
      case DW_OP_swap: push(right); return push(left);
      case DW_OP_plus: return push(left + right);
      case DW_OP_minus: return push(left - right);
      case DW_OP_mul: return push(left * right);
      case DW_OP_and: return push(left & right);
      case DW_OP_or: return push(left | right);
      case DW_OP_xor: return push(left ^ right);
      case DW_OP_shl: return push(shifts_out ? 0 : left << right);
      case DW_OP_shr: return push(shifts_out ? 0 : left >> right);
      case DW_OP_shra:
        return push(static_cast<std::uint64_t>(left_signed >> (shifts_out ? 63 : right)));
      case DW_OP_eq: return push(left == right);
      case DW_OP_ne: return push(left != right);
      case DW_OP_ge: return push(left_signed >= right_signed);
      case DW_OP_gt: return push(left_signed > right_signed);
      case DW_OP_le: return push(left_signed <= right_signed);
      case DW_OP_lt: return push(left_signed < right_signed);
      default: failed_ = true;
    }
  }

  std::uint64_t need(std::optional<std::uint64_t> value) {
    failed_ = failed_ || !value;
    return value.value_or(0);
  }
  std::uint64_t read_register(std::uint64_t number) { return need(input_.registers.get(number)); }
  void push(std::uint64_t value) {
    if (depth_ == kDeepest)
      failed_ = true;
    else
      stack_[depth_++] = value;
  }
  void push_value(std::uint64_t value) {
    is_value_ = true;
    push(value);
  }
  std::uint64_t pop() {
    if (depth_ == 0) failed_ = true;
    return depth_ == 0 ? 0 : stack_[--depth_];
  }
  std::uint64_t pick(std::uint64_t below_top) {
    if (below_top >= depth_) failed_ = true;
    return below_top >= depth_ ? 0 : stack_[depth_ - 1 - below_top];
  }

  const ExpressionInput& input_;
  std::array<std::uint64_t, kDeepest> stack_{};
  std::size_t depth_ = 0;
  bool failed_ = false, is_value_ = false;
};

}  // namespace

std::optional<ExpressionResult> evaluate(std::span<const Dwarf_Op> operations,
                                         const ExpressionInput& input) {
  return Evaluator(input).run(operations);
}

}  // namespace tcpdwell
