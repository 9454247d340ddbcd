// SPDX-License-Identifier: Apache-2.0
// Messages between the tracer and its resolver (ResolverProcess): questions about threads, and
// stacks. The resolver works on hostile files, so its messages are checked as untrusted ones.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/stack.h"
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

inline constexpr std::size_t kMostAsked = 64;  // threads of one question
inline constexpr std::size_t kLargestMessage = 4U << 20U;

std::string pack(const ThreadsQuestion& question);
std::optional<ThreadsQuestion> unpack_question(std::string_view bytes);
// Within kLargestMessage: stacks that no longer fit are left out, with NoStack::Budget.
std::string pack(std::span<const ResolvedStack> stacks);
// nullopt: damaged.
std::optional<std::vector<ResolvedStack>> unpack_stacks(std::string_view bytes);

}  // namespace tcpdwell
