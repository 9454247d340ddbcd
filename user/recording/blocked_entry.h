// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes where threads of holders were, with names: a replay on another machine has
// neither the processes nor their files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>

#include "model/event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

// One entry for each thread, before the entry of the event. If an entry would be too large, the
// outermost frames are left out, and the stack is truncated.
void pack_blocked(const ProcessesEvent& event,
                  const std::function<void(std::span<const std::byte>)>& put);

// Collects the entries.
class BlockedEntries {
 public:
  void read(std::span<const std::byte> bytes);
  // Adds what was collected to the processes of this event.
  void move_to(ProcessesEvent& event);
  void lost() { by_pid_.clear(); }

 private:
  std::map<std::uint32_t, BlockedThreads> by_pid_;
};

}  // namespace tcpdwell::recording
