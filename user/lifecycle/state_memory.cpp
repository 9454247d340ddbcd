// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/state_memory.h"

namespace tcpdwell {

// A socket that left the state and came back between two looks began later than it ever was seen;
// narrowed_by() then takes what this look knows.
StateBegin StateMemory::recall(const SnapshotEvent& found, StateBegin begin) {
  if (found.cookie == 0) return begin;
  const Flow& flow = found.flow;
  if (const auto it = before_.find(found.cookie); it != before_.end()) {
    const Seen& seen = it->second;
    if (seen.state == found.state && seen.local_port == flow.local.port &&
        seen.remote == flow.remote)
      begin = begin.narrowed_by(seen.begin);
  }
  now_[found.cookie] = {found.state, flow.local.port, flow.remote, begin};
  return begin;
}

}  // namespace tcpdwell
