// SPDX-License-Identifier: Apache-2.0
// The code that a process has made at run time (JIT): names from its perf map, as its own mount
// namespace has it, and whether this code keeps frame pointers. Reading may hang (ProcessView).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "where/perf_map.h"
#include "where/process_view.h"

namespace tcpdwell {

class JitCode {
 public:
  explicit JitCode(std::uint32_t pid) : pid_(pid) {}

  // Reads the map if it is new or has changed; looks at most each kLookAgain. True: names that were
  // found before may be outdated. `process` has code without a file, or this does nothing.
  bool refresh(const ProcessView& process);

  std::optional<SourcePlace> find(std::uint64_t address) const { return map_.find(address); }
  // True if each frame at this address begins with the frame pointer and the return address. What
  // is not known to keep frame pointers must not be stepped through by them: that would skip
  // callers.
  bool keeps_frame_pointers(const ProcessView::Place& place) const;

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLookAgain{20};
  struct Version {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = 0, changed_s = 0, changed_ns = 0;
    bool operator==(const Version&) const = default;
  };

  std::uint32_t pid_ = 0;
  std::optional<Clock::time_point> looked_;
  std::optional<bool> java_keeps_;  // a JVM with -XX:+PreserveFramePointer
  Version version_;
  PerfMap map_;
};

}  // namespace tcpdwell
