// SPDX-License-Identifier: Apache-2.0
// Stuck sockets that have one reason: held by equal processes, in the same state, with the same
// cause, at the same end; or that wait in one accept queue, whatever their state and peer. Pure.
//
// Processes are equal if they run the same program and have the same parent (or, where that is init
// or not known, the same cgroup): the workers of a server. Of processes that nothing is known of
// only the same one is equal.
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

#include "model/record.h"

namespace tcpdwell {

inline constexpr std::size_t kPeersApart = 3;
inline constexpr std::size_t kExampleFds = 3;

struct LeakHolder {
  Process process;
  std::optional<ProcessFacts> facts;
  std::size_t descriptors = 0;
  std::vector<std::int32_t> fds;  // the first few of them
  // What a person calls it. Untrusted bytes.
  std::string_view name() const {
    return facts && !facts->program.empty() ? facts->program : process.comm_view();
  }
};

struct LeakGroup {
  FlagKind kind = FlagKind::State;
  State state = State::CloseWait;
  Cause cause = Cause::None;
  bool by_exit = false;
  bool by_runtime = false;       // ... but for its runtime, just before
  Ended ended = Ended::Unknown;  // of Closed; Unknown, too, if they ended in several ways
  std::uint16_t pending_error =
      0;  // ... that was not fetched from any of them; 0: none, or several
  bool mptcp = false;
  Family family = Family::Ipv4;
  std::uint16_t local_port = 0;  // 0: each has another one
  Endpoint peer;                 // its port is 0 where each has another one
  std::size_t peers = 1;         // addresses; `peer` is any one of them
  Role role = Role::Unknown;     // Client or Server; the likely one where no event told
  std::uint32_t netns = 0;
  std::optional<AcceptQueue> queue;        // Accept, as it was last
  std::size_t peer_closed = 0, reset = 0;  // Accept: how many of them the peer has left since
  // Accept: those that should accept. Else all processes that hold one of them, in the order of the
  // sockets' holders. Each socket is held by `held_by` of them: those must all close it.
  std::vector<LeakHolder> holders;
  std::size_t held_by = 0;
  std::optional<Owner> owner;  // nullopt, too, if the sockets have several
  // Connected or accepted them, and has none of them open. `maker_is_likely`: it only listens on
  // their port, and is an ancestor of the holders. pid 0: there are several of this name.
  std::optional<Process> maker;
  bool maker_is_likely = false;
  std::string cgroup;  // empty, too, if the sockets have several

  // Of the oldest; `other_ends`: how many of the group have their other end on this host.
  std::optional<OtherEnd> other_end;
  std::optional<ProcessFacts> other_end_facts;
  std::size_t other_ends = 0;
  // Of the oldest, if its process relays: the peer on the other side.
  std::optional<Endpoint> relay_peer;
  Family relay_family = Family::Ipv4;
  // Of the oldest, if its other end belongs to a relay: the peer on the far side of that one.
  std::optional<Endpoint> behind_relay;
  Family behind_relay_family = Family::Ipv4;
  bool attached = true;            // FlagRecord::attached; false: of none
  std::size_t closed_windows = 0;  // how many wait for a peer that takes no data
  std::size_t retransmitting = 0;  // ... for an acknowledgment that is overdue

  std::size_t count = 0;
  // If one of them is a lower bound, so are both.
  Dwell oldest, median;
  bool certain = true;           // else their ages may be below the threshold
  std::optional<Nanos> at_most;  // the oldest's age, if it is a lower bound; nullopt: no upper one
  std::optional<std::uint64_t> unread_bytes, unsent_bytes;  // summed; nullopt: of none is known
  std::uint64_t cookie = 0;                                 // of the oldest
  std::vector<std::size_t> members;  // indexes of what group_leaks() was given, oldest first

  // The same for the same group in another round. Opaque. `wider_key` is without the peer's
  // address; a group of many peers has it as its key.
  std::string key, wider_key;
};
inline bool is_one(const LeakGroup& group) { return group.count == 1; }
// Several processes, each with sockets of its own.
inline bool are_equal_processes(const LeakGroup& group) {
  return group.holders.size() > group.held_by;
}

// Of those that are raised. Worst first: most sockets, then oldest; those that are not certainly
// stuck come later, and the orphaned are last.
std::vector<LeakGroup> group_leaks(std::span<const FlagRecord> flags);
// Of one socket.
LeakGroup group_of(const FlagRecord& flag);

}  // namespace tcpdwell
