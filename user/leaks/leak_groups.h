// SPDX-License-Identifier: Apache-2.0
// Groups stuck sockets that have one reason: equal holders, state, cause and end; or the same
// accept queue, with any state and peer. Pure.
//
// Two processes are equal if they run the same program and have the same parent: the workers of a
// server. If the parent is init or not known, they must be in the same cgroup. A process without
// facts equals only itself. Where the lines of code are known (--where), one reason is also one
// place in the program that opened the sockets, and one that read their end of stream.
// A server's sockets share the local port and the peer's address. A client's sockets share the
// peer's address and port; their local ports differ. If the role is not known (a socket older than
// the trace), the end that more of the sockets share decides. Otherwise equal groups of more than
// kPeersApart peers are merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "leaks/makers.h"
#include "model/record.h"

namespace tcpdwell {

inline constexpr std::size_t kPeersApart = 3;
inline constexpr std::size_t kExampleFds = 3;

struct LeakHolder {
  Process process;
  std::optional<ProcessFacts> facts;
  std::size_t descriptors = 0;
  std::vector<std::int32_t> fds;  // the first few of them
  // The name for output. Untrusted bytes.
  std::string_view name() const {
    return facts && !facts->program.empty() ? facts->program : process.comm_view();
  }
};

struct LeakGroup {
  FlagKind kind = FlagKind::State;
  State state = State::CloseWait;
  Cause cause = Cause::None;
  bool by_exit = false;
  bool by_runtime = false;          // closed by the runtime shortly before the exit
  Ended ended = Ended::Unknown;     // state Closed; Unknown also if they ended in different ways
  std::uint16_t pending_error = 0;  // errno, equal for all of them; 0: none, or different ones
  bool mptcp = false;
  Family family = Family::Ipv4;
  std::uint16_t local_port = 0;  // 0: they differ
  Endpoint peer;                 // port 0: they differ
  std::size_t peers = 1;         // number of peer addresses; `peer` is one of them
  Role role = Role::Unknown;     // Client or Server; the likely one if no event told
  std::uint32_t netns = 0;
  std::optional<AcceptQueue> queue;        // Accept: as of the latest flag
  std::size_t peer_closed = 0, reset = 0;  // Accept: how many the peer has closed or reset
  // Accept: the processes that should accept. Else all holders of the sockets, in the order of the
  // sockets. Each socket is held by `held_by` processes; all of these must close it.
  std::vector<LeakHolder> holders;
  std::size_t held_by = 0;
  std::optional<Owner> owner;  // nullopt also if the sockets have several
  // The process that connected or accepted the sockets, if it does not hold them any more.
  // `maker_is_likely`: only inferred, from an ancestor of the holders that listens on the port.
  // pid 0: several processes with this comm. `descent`: of the holders.
  std::optional<Process> maker;
  bool maker_is_likely = false;
  Descent descent = Descent::Unknown;
  std::string cgroup;  // empty also if the sockets have several
  // --where: stacks with equal shown_frames(). nullptr: not known.
  std::shared_ptr<const Stack> opened, eof_read;

  // The other end of the oldest socket. `other_ends`: how many of the group have theirs on this
  // host.
  std::optional<OtherEnd> other_end;
  std::optional<ProcessFacts> other_end_facts;
  std::size_t other_ends = 0;
  // If the process of the oldest socket is a relay: the peer on the other side of the relay.
  std::optional<Endpoint> relay_peer;
  Family relay_family = Family::Ipv4;
  // If the other end of the oldest socket belongs to a relay: the peer on the far side of that
  // relay.
  std::optional<Endpoint> behind_relay;
  Family behind_relay_family = Family::Ipv4;
  bool filtered = false;           // a filter may hide the other side of a relay; not set here
  bool attached = true;            // FlagRecord::attached
  std::size_t closed_windows = 0;  // how many face a closed receive window of the peer
  std::size_t retransmitting = 0;  // how many wait for an overdue acknowledgment

  std::size_t count = 0;
  // Both are lower bounds if the dwell of any socket is one.
  Dwell oldest, median;
  bool certain = true;           // false: their ages may be below the threshold
  std::optional<Nanos> at_most;  // upper bound of `oldest`, if that is a lower bound; nullopt: none
  std::optional<std::uint64_t> unread_bytes, unsent_bytes;  // sums; nullopt: not known for any
  std::uint64_t cookie = 0;                                 // of the oldest socket
  std::vector<std::size_t> members;  // indexes into the argument of group_leaks(), oldest first

  // Identifies the group across rounds. Opaque. `wider_key` excludes the peer's address; it is the
  // key of a group with many peers.
  std::string key, wider_key;
};
// A key of a group without whether its ages are certain: sockets become certain as time passes.
inline std::string without_age(const std::string& key) { return key.substr(1); }
inline bool is_one(const LeakGroup& group) { return group.count == 1; }
// True for a group of several processes that hold different sockets.
inline bool are_equal_processes(const LeakGroup& group) {
  return group.holders.size() > group.held_by;
}

// True for a queue that one of several holders should empty: each waits for another listener of the
// port.
inline bool is_one_of_its_holders(const LeakGroup& group) {
  return group.queue && group.queue->shares_port && group.holders.size() > 1;
}

// Groups the raised flags, worst first: most sockets, then oldest. Groups that are not certainly
// stuck come later, orphans last. The last `hidden` flags are in no group; they only tell which of
// the others belong to a relay.
std::vector<LeakGroup> group_leaks(std::span<const FlagRecord> flags, std::size_t hidden = 0);
// A group of one socket.
LeakGroup group_of(const FlagRecord& flag);

}  // namespace tcpdwell
