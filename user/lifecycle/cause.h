// SPDX-License-Identifier: Apache-2.0
// Why a socket is stuck, from the kernel's own fields at the time it is asked. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "model/record.h"

namespace tcpdwell {

// What the cause of a CLOSE_WAIT or FIN_WAIT_2 follows from.
struct StuckFacts {
  State state = State::CloseWait;
  bool attached = true;             // it has a struct socket: it was accepted, and is not orphaned
  std::uint32_t receive_queue = 0;  // rcv_nxt - copied_seq; a FIN that came counts 1
  std::uint32_t send_queue = 0;     // write_seq - snd_una; a FIN or SYN that was sent counts 1
};

// None for all other states.
Cause cause_of(const StuckFacts& facts);
// Payload that the application has not read, that the peer has not acknowledged. nullopt where the
// queues mean something else (LISTEN).
std::optional<std::uint64_t> unread_bytes(const StuckFacts& facts);
std::optional<std::uint64_t> unsent_bytes(const StuckFacts& facts);

}  // namespace tcpdwell
