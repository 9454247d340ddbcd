// SPDX-License-Identifier: Apache-2.0
// Reads what /proc says of processes. No file of theirs is opened: what a process has open or has
// been started from may lie on a file system that never answers. The same holds for its memory,
// which a child looks at (process_memory.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/event.h"
#include "kernel/process_memory.h"

namespace tcpdwell {

// What a person calls a process that the kernel calls `comm`; empty if that says it all. `cmdline`
// is /proc/PID/cmdline: words that end with a NUL byte each, or a title. `exe` is the path of its
// executable. All of them are untrusted.
std::string program_name(std::string_view comm, std::string_view cmdline, std::string_view exe,
                         Runtime runtime);
// Keeps what it has read: for one answer of the kernel, not for longer.
class ProcessReader {
 public:
  // Not if it has ended, is another one than `process` by now, or too many were asked for.
  void read(const Process& process);
  // 0: not visible, or not known.
  std::uint32_t parent_of(std::uint32_t pid);
  // All that were read, as an event of now. Call it once, at the end.
  ProcessesEvent event();

 private:
  std::optional<ProcessFacts> look_at(const Process& process);

  std::map<std::uint32_t, std::optional<ProcessFacts>> read_;  // by pid
  std::vector<MemoryQuestion> asked_;                          // of event()
  std::vector<Process> asked_for_;                             // ... about these
};

}  // namespace tcpdwell
