// SPDX-License-Identifier: Apache-2.0
// What /proc says about a process that holds a stuck socket, as of the kernel query. The advice
// depends on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/stack.h"

namespace tcpdwell {

inline constexpr std::size_t kLongestProgram = 64;

enum class Runtime : std::uint8_t { Native, Jvm, Go, Python, Node, Php, Ruby, Perl };

// The kernel shows a thread that its cgroup has frozen (`docker pause`) as sleeping.
inline constexpr char kFrozen = 'F';

struct ProcessFacts {
  std::uint32_t pid = 0;
  char state = 0;                 // of live_thread: R S D T..., as in /proc/PID/stat, or kFrozen
  std::uint32_t parent = 0;       // 0: not visible, or not known
  std::uint32_t live_thread = 0;  // the thread group leader, or another thread if it has exited
  Runtime runtime = Runtime::Native;
  // A longer name than comm, which the kernel cuts off at 15 bytes: the base name of argv[0] or of
  // the executable, an interpreter with its script, or a title ("gunicorn: worker [app]").
  // Untrusted bytes, at most kLongestProgram. Empty: comm is enough.
  std::string program;
  // Open descriptors and the soft limit of RLIMIT_NOFILE; nullopt: not known.
  std::optional<std::uint64_t> descriptors, descriptor_limit;
  // --where: where its threads were. nullptr: not asked.
  std::shared_ptr<const BlockedThreads> blocked;
  bool operator==(const ProcessFacts& other) const;
};

}  // namespace tcpdwell
