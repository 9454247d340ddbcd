// SPDX-License-Identifier: Apache-2.0
// Reads facts from the memory of processes: command lines and, if the name of the executable does
// not show it, runtimes.
// Reading a page of another process may hang: the page may be mapped from a FUSE server that does
// not answer. So one child reads for all queried processes (losable_child.h); what it has not read
// within a second stays unknown. Results are cached. Call it on one thread only.
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
  std::uint64_t started = 0;  // field 22 of /proc/PID/stat: the pid may be reused
  std::string exe;            // path of its executable; empty: not known
};

// All fields are untrusted.
struct MemoryFacts {
  std::string cmdline;  // words that end with a NUL byte each, or a title; 4 KiB at the most
  std::string exe;      // as asked, or the first word of the command line
  Runtime runtime = Runtime::Native;
};

// In the order of the questions.
std::vector<MemoryFacts> memory_facts(std::span<const MemoryQuestion> questions);

// By the name of the executable alone. Native: unknown.
Runtime runtime_of_exe(std::string_view exe);

}  // namespace tcpdwell
