// SPDX-License-Identifier: Apache-2.0
// Reads facts about processes from /proc. Opens no file of a process: its open files and its
// executable may be on a file system that never answers. The same holds for its memory, which a
// child process reads (process_memory.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/process_memory.h"
#include "model/event.h"

namespace tcpdwell {

// A more telling name than `comm`; empty if there is none. `cmdline` is /proc/PID/cmdline: words
// that each end with a NUL byte, or a title. `exe` is the path of the executable. All are
// untrusted.
std::string program_name(std::string_view comm, std::string_view cmdline, std::string_view exe,
                         Runtime runtime);
// Caches what it has read: use one object for each answer of the kernel.
class ProcessReader {
 public:
  // Skips a process that has ended, a reused pid, and processes beyond the limit.
  void read(const Process& process);
  // 0: not visible or unknown.
  std::uint32_t parent_of(std::uint32_t pid);
  // All facts read so far, as an event of now. Call it once, at the end.
  ProcessesEvent event();

 private:
  std::optional<ProcessFacts> look_at(const Process& process);

  std::map<std::uint32_t, std::optional<ProcessFacts>> read_;  // by pid
  std::map<std::uint32_t, std::uint32_t> parents_;             // ... of others
  std::vector<MemoryQuestion> asked_;                          // of event()
  std::vector<Process> asked_for_;                             // ... about these
};

}  // namespace tcpdwell
