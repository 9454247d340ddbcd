// SPDX-License-Identifier: Apache-2.0
// Messages between the tracer and its resolver (ResolverProcess): questions about threads, stacks
// and interpreters, and stacks with names. The resolver works on hostile files, so its messages are
// checked as untrusted ones.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/stack.h"
#include "where/python_frames.h"
#include "where/registers.h"

namespace tcpdwell {

// A thread that waits in the kernel.
struct ThreadSnapshot {
  std::uint32_t tid = 0;
  std::uint64_t switches = 0;        // voluntary and not, since it began: equal if it did not run
  std::uint64_t thread_pointer = 0;  // pthread_self(); 0: not known
  Registers registers;
};

struct ResolvedStack {
  Stack stack;
  NoStack missing = NoStack::None;
};

struct ThreadsQuestion {
  std::uint32_t pid = 0;
  std::uint32_t stack_bytes = 0;
  std::vector<ThreadSnapshot> threads;
};

// The stack of a thread at an event, as the kernel side read it.
struct StackSnapshot {
  std::uint32_t pid = 0;
  std::uint64_t started = 0;          // of the process: ns since boot
  std::uint64_t exec_id = 0;          // counts its execve()
  std::uint64_t stack_begin = 0;      // of its memory
  std::uint64_t mapping_changes = 0;  // a count; 0: not known
  Registers registers;
  StackPiece stack;
  std::vector<PythonCall> python;  // innermost first
  bool python_walked = false;      // false: its frames, if there are any, could not be found
  bool python_truncated = false;
};

struct StacksQuestion {
  std::vector<StackSnapshot> snapshots;
};

// Does this process have a Python interpreter?
struct PythonQuestion {
  std::uint32_t pid = 0;
};
// Where it keeps its frames.
struct PythonPlace {
  std::uint64_t runtime = 0;
  PythonLayout layout;
};

inline constexpr std::size_t kMostAsked = 64;  // threads or stacks of one question
inline constexpr std::size_t kLargestMessage = 4U << 20U;

using ResolverQuestion = std::variant<ThreadsQuestion, StacksQuestion, PythonQuestion>;

std::string pack(const ThreadsQuestion& question);
std::string pack(const StacksQuestion& question);
std::string pack(const PythonQuestion& question);
std::optional<ResolverQuestion> unpack_question(std::string_view bytes);
// Within kLargestMessage: stacks that no longer fit are left out, with NoStack::Budget.
std::string pack(std::span<const ResolvedStack> stacks);
// nullopt: damaged.
std::optional<std::vector<ResolvedStack>> unpack_stacks(std::string_view bytes);
// nullopt, or an empty message: there is none.
std::string pack(const std::optional<PythonPlace>& place);
std::optional<PythonPlace> unpack_python(std::string_view bytes);

}  // namespace tcpdwell
