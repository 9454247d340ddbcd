// SPDX-License-Identifier: Apache-2.0
// Evaluates a DWARF expression of call frame information. The expression comes from a file that
// another process chose: steps and stack are bounded, and it reads only the copied stack piece.
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>
#include <optional>
#include <span>

#include "where/registers.h"

namespace tcpdwell {

struct ExpressionInput {
  const Registers& registers;
  const StackPiece& stack;
  std::optional<std::uint64_t> frame_address;  // DW_OP_call_frame_cfa; nullopt: not yet known
};

// An address, or the value itself.
struct ExpressionResult {
  std::uint64_t value = 0;
  bool is_value = false;
};

// nullopt: it cannot be evaluated. Memory outside the stack piece is one of the reasons.
std::optional<ExpressionResult> evaluate(std::span<const Dwarf_Op> operations,
                                         const ExpressionInput& input);

}  // namespace tcpdwell
