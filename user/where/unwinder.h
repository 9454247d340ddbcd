// SPDX-License-Identifier: Apache-2.0
// From registers and a stack piece to the calls of a thread. Never guesses: where the tables say
// nothing, there is no step by frame pointers, unless that code is known to keep them (JitCode);
// the calls end, truncated.
#pragma once

#include <cstdint>
#include <vector>

#include "model/stack.h"
#include "where/jit_code.h"
#include "where/process_view.h"
#include "where/registers.h"

namespace tcpdwell {

struct Calls {
  // Addresses to look up: the interrupted instruction, or within the call before the return
  // address.
  std::vector<std::uint64_t> addresses;  // innermost first, at most kMostFrames
  bool truncated = false;
};

// `jit` may be nullptr.
Calls unwind(const ProcessView& process, const Registers& registers, const StackPiece& stack,
             const JitCode* jit = nullptr);

// A call with names, and the inlined functions in it: innermost first, at least one frame.
Stack name_call(const ProcessView& process, std::uint64_t address, const JitCode* jit = nullptr);

}  // namespace tcpdwell
