// SPDX-License-Identifier: Apache-2.0
// What /proc says of a process that holds a stuck socket, when the kernel was asked: it decides
// what advice can be right for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tcpdwell {

enum class Runtime : std::uint8_t { Native, Jvm, Go, Python, Node, Php, Ruby, Perl };

struct ProcessFacts {
  std::uint32_t pid = 0;
  std::uint32_t parent = 0;       // 0: not visible, or not known
  std::uint32_t live_thread = 0;  // the process itself, or a thread if the leader has ended
  Runtime runtime = Runtime::Native;
  // Base name of argv[0] or of the executable, where comm is cut off at 15 bytes or says less.
  // Untrusted bytes, at most 64. Empty: comm says it all.
  std::string program;
  // Of RLIMIT_NOFILE; nullopt: not known.
  std::optional<std::uint64_t> descriptors, descriptor_limit;
  bool operator==(const ProcessFacts&) const = default;
};

}  // namespace tcpdwell
