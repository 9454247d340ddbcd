// SPDX-License-Identifier: Apache-2.0
// Ring record -> event. Copies and checks: what is malformed, of another version, or not a state of
// TCP is no event.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

// Into `event`, in place. False: it is none, and `event` may be anything.
bool decode(std::span<const std::byte> record, Event& event);
// Of what the walk through descriptors wrote: who holds a socket, or a connection at the end of
// this number.
std::optional<Holding> decode_holding(std::span<const std::byte> record);
// When the first thread of a process has ended, the walk comes to its descriptors once a thread.
void drop_repeated(std::vector<Holding>& holdings);
// ... each descriptor by itself, so with one holder.
std::optional<DeadSocket> decode_dead(std::span<const std::byte> record);
// One for each socket, with all its holders, by cookie.
void join_holders(std::vector<DeadSocket>& sockets);
struct HeldEnd {
  std::size_t number = 0;
  std::uint32_t pid = 0;
};
std::optional<HeldEnd> decode_held_end(std::span<const std::byte> record);
// Of what the walk through accept queues wrote. `noted`: how many children of it there are.
struct WalkedQueue {
  ListenQueue queue;
  bool takes_ipv4 = false;  // any address of both families
  std::uint32_t noted = 0;
};
std::optional<WalkedQueue> decode_listener(std::span<const std::byte> record);
struct WalkedChild {
  std::uint64_t listener = 0;
  QueuedChild child;  // but for its cookie
};
std::optional<WalkedChild> decode_queued(std::span<const std::byte> record);
// ... of what the walk through the sockets of a network namespace wrote of MPTCP.
std::optional<MptcpSubflow> decode_subflow(std::span<const std::byte> record);

}  // namespace tcpdwell
