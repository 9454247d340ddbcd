// SPDX-License-Identifier: Apache-2.0
#include "where/stack_parts.h"

#include <algorithm>
#include <iterator>

namespace tcpdwell {
namespace {

// Below the Python frames are those of the interpreter, which explain nothing.
Stack native_stack(const ProcessView& process, const Calls& calls, const Module* interpreter,
                   const NameCall& name) {
  Stack stack;
  for (const std::uint64_t address : calls.addresses) {
    if (interpreter != nullptr && process.find(address).module == interpreter) return stack;
    for (Frame& frame : name(address))
      if (stack.size() < kMostFrames) stack.push_back(std::move(frame));
  }
  if (calls.truncated && !stack.empty()) stack.back().truncated = true;
  return stack;
}

}  // namespace

ResolvedStack put_together(const ProcessView& process, const Calls& calls, Stack python_frames,
                           const std::optional<PythonInterpreter>& python, const NameCall& name) {
  ResolvedStack resolved;
  const bool in_python =
      python &&
      std::any_of(calls.addresses.begin(), calls.addresses.end(), [&](std::uint64_t address) {
        return process.find(address).module == python->module;
      });
  resolved.stack =
      native_stack(process, calls, python_frames.empty() ? nullptr : python->module, name);
  // Without its native frames the truth about the Python frames is still whole.
  if (!python_frames.empty() && !in_python && !resolved.stack.empty())
    resolved.stack.back().truncated = false;
  resolved.stack.insert(resolved.stack.end(), std::make_move_iterator(python_frames.begin()),
                        std::make_move_iterator(python_frames.end()));
  if (in_python && !python->layout) resolved.missing = NoStack::UnknownVersion;
  return resolved;
}

}  // namespace tcpdwell
