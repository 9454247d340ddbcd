// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/state_memory.h"

namespace tcpdwell {

// If a socket left the state and re-entered it between two looks, their bounds can contradict each
// other; narrowed_by() then keeps those of this look.
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
