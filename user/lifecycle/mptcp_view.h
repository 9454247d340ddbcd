// SPDX-License-Identifier: Apache-2.0
// State of the MPTCP socket to which a connection belongs as a subflow. Flags of the connection are
// about the MPTCP socket, not about TCP: MPTCP closes with a DATA_FIN, which no subflow's state
// shows.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>

#include "lifecycle/state_begin.h"
#include "model/event.h"

namespace tcpdwell {

struct MptcpView {
  std::uint32_t generation = 0;  // of the connection
  bool known = false;            // false: only known to be a subflow; ignore the fields below
  bool stands = true;            // represents the MPTCP socket; other subflows are never flagged
  State state = State::Established;
  StateBegin begin;               // when `state` began
  bool begin_known = false;       // the state began exactly at `begin.latest`
  std::optional<Nanos> orphaned;  // when the application closed it after shutdown()
  MptcpSocket socket;             // as last seen
  bool fresh = false;             // `socket` was seen since the last flag query
  bool counted = false;           // already counted as not judged

  bool is_orphan() const { return socket.dead || orphaned; }
};

// The views by connection id. Ids are reused: `generation` tells the entry of an earlier
// connection.
class MptcpViews {
 public:
  bool empty() const { return views_.empty(); }
  MptcpView* find(std::uint32_t id, std::uint32_t generation) {
    const auto it = views_.find(id);
    return it == views_.end() || it->second.generation != generation ? nullptr : &it->second;
  }
  const MptcpView* find(std::uint32_t id, std::uint32_t generation) const {
    const auto it = views_.find(id);
    return it == views_.end() || it->second.generation != generation ? nullptr : &it->second;
  }
  // Creates the view if it does not exist.
  MptcpView& at(std::uint32_t id, std::uint32_t generation) {
    MptcpView& view = views_[id];
    if (view.generation != generation) view = {.generation = generation, .socket = {}};
    return view;
  }
  void erase(std::uint32_t id) { views_.erase(id); }

 private:
  absl::flat_hash_map<std::uint32_t, MptcpView> views_;
};

}  // namespace tcpdwell
