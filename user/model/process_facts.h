// SPDX-License-Identifier: Apache-2.0
// What /proc says of a process that holds a stuck socket, when the kernel was asked: it decides
// what advice can be right for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace tcpdwell {

inline constexpr std::size_t kLongestProgram = 64;

enum class Runtime : std::uint8_t { Native, Jvm, Go, Python, Node, Php, Ruby, Perl };

struct ProcessFacts {
  std::uint32_t pid = 0;
  char state = 0;                 // R S D T..., as in /proc/PID/stat; of live_thread
  std::uint32_t parent = 0;       // 0: not visible, or not known
  std::uint32_t live_thread = 0;  // the process itself, or a thread if the leader has ended
  Runtime runtime = Runtime::Native;
  // What a person calls it, where comm is cut off at 15 bytes or says less: the base name of
  // argv[0] or of the executable, an interpreter with its script, a title ("gunicorn: worker
  // [app]"). Untrusted bytes, at most kLongestProgram. Empty: comm says it all.
  std::string program;
  // Of RLIMIT_NOFILE; nullopt: not known.
  std::optional<std::uint64_t> descriptors, descriptor_limit;
  bool operator==(const ProcessFacts&) const = default;
};

}  // namespace tcpdwell
