// SPDX-License-Identifier: Apache-2.0
// Decodes records of the kernel side. Each record is copied and checked. Malformed records, other
// versions and invalid TCP states are rejected.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

// Decodes a ring record into `event`, in place. Returns false if it is not a valid event; `event`
// is then unspecified.
bool decode(std::span<const std::byte> record, Event& event);
// The walk through descriptors: a process that holds a socket.
std::optional<Holding> decode_holding(std::span<const std::byte> record);
// Removes duplicates. If the thread group leader has exited, the walk visits the descriptors of the
// process once for each thread.
void drop_repeated(std::vector<Holding>& holdings);
// The walk through dead sockets: one record for each descriptor, so the result has one holder.
std::optional<DeadSocket> decode_dead(std::span<const std::byte> record);
// Merges the entries of each socket into one with all its holders; sorts by cookie.
void join_holders(std::vector<DeadSocket>& sockets);
// The walk through descriptors: a process that holds the socket at the queried end `number`.
struct HeldEnd {
  std::size_t number = 0;
  std::uint32_t pid = 0;
};
std::optional<HeldEnd> decode_held_end(std::span<const std::byte> record);
// The walk through accept queues: a listener.
struct WalkedQueue {
  ListenQueue queue;
  bool takes_ipv4 = false;  // an IPv6 wildcard listener that also accepts IPv4
  std::uint32_t noted = 0;  // how many of its children the walk noted
};
std::optional<WalkedQueue> decode_listener(std::span<const std::byte> record);
// The walk through accept queues: a child.
struct WalkedChild {
  std::uint64_t listener = 0;
  QueuedChild child;  // without its cookie
};
std::optional<WalkedChild> decode_queued(std::span<const std::byte> record);
// The walk through the sockets of a network namespace: an MPTCP subflow.
std::optional<MptcpSubflow> decode_subflow(std::span<const std::byte> record);

}  // namespace tcpdwell
