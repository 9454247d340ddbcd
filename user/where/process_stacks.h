// SPDX-License-Identifier: Apache-2.0
// Stacks of one process, as the kernel side read them at events: unwinds and names each call path
// once. What the process maps is read at its first event, because it may end soon. Use it only in a
// process that may be lost (ResolverProcess).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "where/jit_code.h"
#include "where/packing.h"
#include "where/process_memory.h"
#include "where/process_view.h"
#include "where/python_frames.h"
#include "where/unwinder.h"

namespace tcpdwell {

// Equal only for equal call paths: of all that unwinding can depend on. One call path can have
// several keys, because dead words on the stack differ. Addresses in code, and addresses in the
// stack piece relative to its begin; each with its position.
struct StackKey {
  std::array<std::uint64_t, 2> hash{};
  bool operator==(const StackKey&) const = default;
};
template <typename IsCode>
StackKey key_of(const StackSnapshot& snapshot, IsCode&& is_code);

class ProcessStacks {
 public:
  // nullptr: the process is gone, denies it, or executes another program by now.
  static std::unique_ptr<ProcessStacks> open(const StackSnapshot& snapshot, ModuleCache& cache);

  ResolvedStack resolve(const StackSnapshot& snapshot);

 private:
  struct HashOfKey {
    std::size_t operator()(const StackKey& key) const { return key.hash[0]; }
  };
  static constexpr std::size_t kMostKnown = 4096, kMostNames = 8192;

  ProcessStacks(ProcessView view, ModuleCache& cache)
      : view_(std::move(view)), cache_(cache), jit_(view_.pid()) {}
  bool is_current(const StackSnapshot& snapshot);
  void forget_names();
  ResolvedStack resolve_anew(const StackSnapshot& snapshot);
  Stack python_stack(const StackSnapshot& snapshot) const;
  Stack name(std::uint64_t address);

  ProcessView view_;
  ModuleCache& cache_;
  JitCode jit_;
  std::optional<PythonInterpreter> python_;
  std::uint64_t mapping_changes_ = 0;  // at the last event whose mappings are those of view_
  std::unordered_map<StackKey, ResolvedStack, HashOfKey> known_;
  std::unordered_map<std::uint64_t, Stack> names_;  // by address
};

// Two independent sums, each over position and word.
class StackHash {
 public:
  void add(std::uint64_t position, std::uint64_t word) {
    key_.hash[0] = mix(key_.hash[0] ^ position * 0x9e3779b97f4a7c15U, word);
    key_.hash[1] = mix(key_.hash[1] + position * 0xc2b2ae3d27d4eb4fU, ~word);
  }
  const StackKey& key() const { return key_; }

 private:
  static std::uint64_t mix(std::uint64_t sum, std::uint64_t word) {
    sum ^= word;
    sum = (sum ^ sum >> 30U) * 0xbf58476d1ce4e5b9U;
    sum = (sum ^ sum >> 27U) * 0x94d049bb133111ebU;
    return sum ^ sum >> 31U;
  }
  StackKey key_{{0x243f6a8885a308d3U, 0x13198a2e03707344U}};
};

template <typename IsCode>
StackKey key_of(const StackSnapshot& snapshot, IsCode&& is_code) {
  constexpr std::uint64_t kRegister = 1U << 20U, kInStack = 1U << 21U, kPython = 1U << 22U;
  const StackPiece& stack = snapshot.stack;
  const auto end = stack.begin + stack.bytes.size();
  StackHash hash;
  const auto add = [&](std::uint64_t position, std::uint64_t word) {
    if (word >= stack.begin && word < end)
      hash.add(position | kInStack, word - stack.begin);
    else if (is_code(word))
      hash.add(position, word);
  };
  hash.add(kRegister | kRegisters, snapshot.registers.pc);
  for (unsigned i = 0; i < kRegisters; ++i) add(kRegister | i, snapshot.registers.value[i]);
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= stack.bytes.size(); at += 8)
    add(at, *stack.word(stack.begin + at));
  std::uint64_t position = kPython;
  for (const PythonCall& call : snapshot.python)
    for (const std::uint64_t word :
         {call.code, call.instruction, call.file, call.qualified_name, call.lines,
          std::uint64_t{call.first_line}, std::uint64_t{call.lines_sum}})
      hash.add(position++, word);
  hash.add(position++, static_cast<std::uint64_t>(snapshot.python_walked));
  hash.add(position, static_cast<std::uint64_t>(snapshot.python_truncated));
  return hash.key();
}

}  // namespace tcpdwell
