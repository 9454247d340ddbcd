// SPDX-License-Identifier: Apache-2.0
// What is known of the MPTCP socket that a connection is a subflow of. Its flags are about that
// socket, not about the state of TCP: a close of MPTCP is a DATA_FIN, which no subflow shows.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>

#include "model/event.h"
#include "lifecycle/state_begin.h"

namespace tcpdwell {

struct MptcpView {
  std::uint32_t generation = 0;  // of the connection
  bool known = false;            // what follows is; else only that it is a subflow
  bool stands = true;            // for the MPTCP socket: the others are never flagged
  State state = State::Established;
  StateBegin begin;               // of the state
  bool begin_known = false;       // exactly: it is `begin.latest`
  std::optional<Nanos> orphaned;  // when the application closed it after shutdown()
  MptcpSocket socket;             // as it was seen last
  bool fresh = false;             // that was since the last flag that was asked about
  bool counted = false;           // among those that could not be judged

  bool is_orphan() const { return socket.dead || orphaned; }
};

// By the ids of their connections. An id is reused: an entry of an earlier connection is none.
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
  // Made if there is none.
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
