// SPDX-License-Identifier: Apache-2.0
// Stuck sockets that have one reason: held by the same processes, in the same state, with the same
// cause, at the same end; or that wait in one accept queue, whatever their state and peer. Pure.
//
// A server's sockets share the local port and the peer's address; a client's share the peer's
// address and port (its own port is another one each time). Where the role is not known (the socket
// is older than the trace), it is taken from what most of the others have in common. More than
// kPeersApart peers of an otherwise equal group are one group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/record.h"

namespace tcpdwell {

inline constexpr std::size_t kPeersApart = 3;
inline constexpr std::size_t kExampleFds = 3;

struct LeakHolder {
  Process process;
  std::size_t descriptors = 0;
  std::vector<std::int32_t> fds;  // the first few of them
};

struct LeakGroup {
  FlagKind kind = FlagKind::State;
  State state = State::CloseWait;
  Cause cause = Cause::None;
  bool by_exit = false;
  Family family = Family::Ipv4;
  std::uint16_t local_port = 0;  // 0: each has another one
  Endpoint peer;                 // its port is 0 where each has another one
  std::size_t peers = 1;         // addresses; `peer` is any one of them
  std::vector<LeakHolder> holders;   // Accept: those of them that should accept
  std::optional<AcceptQueue> queue;  // Accept, as it was last
  std::size_t peer_closed = 0, reset = 0;  // Accept: how many of them the peer has left since
  std::optional<Owner> owner;  // nullopt, too, if the sockets have several
  std::string cgroup;          // empty, too, if the sockets have several

  std::size_t count = 0;
  // If one of them is a lower bound, so are both.
  Dwell oldest, median;
  std::optional<std::uint64_t> unread_bytes, unsent_bytes;  // summed; nullopt: of none is known
  std::uint64_t cookie = 0;                                 // of the oldest
  std::vector<std::size_t> members;  // indexes of what group_leaks() was given, oldest first

  // The same for the same group in another round. Opaque. `wider_key` is without the peer's
  // address; a group of many peers has it as its key.
  std::string key, wider_key;
};
inline bool is_one(const LeakGroup& group) { return group.count == 1; }

// Of those that are raised. Worst first: most sockets, then oldest; the orphaned are last.
std::vector<LeakGroup> group_leaks(std::span<const FlagRecord> flags);
// Of one socket.
LeakGroup group_of(const FlagRecord& flag);

}  // namespace tcpdwell
