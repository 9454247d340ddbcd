// SPDX-License-Identifier: Apache-2.0
// What only the memory of processes tells: their command lines and, where the name of the
// executable does not say it, their runtimes.
//
// Reading a page of another process may never return: it may be mapped from a file of a FUSE server
// that does not answer. So a child reads (losable_child.h), for all processes that are asked about
// together; what it has not read within a second stays unknown. What was read is kept for the next
// time. Call it on one thread only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/process_facts.h"

namespace tcpdwell {

struct MemoryQuestion {
  std::uint32_t pid = 0;
  std::uint64_t started = 0;  // field 22 of /proc/PID/stat: the pid may be used again
  std::string exe;            // path of its executable; empty: not known
};

// All of it is untrusted.
struct MemoryFacts {
  std::string cmdline;  // words that end with a NUL byte each, or a title; 4 KiB at the most
  std::string exe;      // as asked, or the first word of the command line
  Runtime runtime = Runtime::Native;
};

// In the order of the questions.
std::vector<MemoryFacts> memory_facts(std::span<const MemoryQuestion> questions);

// By the name of the executable alone. Native: that does not tell.
Runtime runtime_of_exe(std::string_view exe);

}  // namespace tcpdwell
