// SPDX-License-Identifier: Apache-2.0
// Reads what /proc says of processes. No file of theirs is opened: what a process has open or has
// been started from may lie on a file system that never answers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/event.h"

namespace tcpdwell {

// What a person calls a process that the kernel calls `comm`; empty if that says it all. `cmdline`
// is /proc/PID/cmdline: words that end with a NUL byte each, or a title. `exe` is the path of its
// executable. All of them are untrusted.
std::string program_name(std::string_view comm, std::string_view cmdline, std::string_view exe,
                         Runtime runtime);
// By the name of the executable alone. Native: that does not tell.
Runtime runtime_of_exe(std::string_view exe);

// Keeps what it has read: for one answer of the kernel, not for longer.
class ProcessReader {
 public:
  // nullptr: it has ended, is another one than `process` by now, or too many were asked for.
  const ProcessFacts* read(const Process& process);
  // 0: not visible, or not known.
  std::uint32_t parent_of(std::uint32_t pid);
  // All that were read, as an event of now.
  ProcessesEvent event() const;

 private:
  std::optional<ProcessFacts> look_at(const Process& process);
  Runtime runtime_of(std::uint32_t pid, const std::string& exe);

  std::map<std::uint32_t, std::optional<ProcessFacts>> read_;  // by pid
  std::map<std::string, Runtime> runtimes_;                    // by path of the executable
};

}  // namespace tcpdwell
