// SPDX-License-Identifier: Apache-2.0
// Derives the cause of a stuck socket from its kernel fields, as of the query. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "model/record.h"

namespace tcpdwell {

// The facts that decide the cause of a CLOSE_WAIT or FIN_WAIT_2.
struct StuckFacts {
  State state = State::CloseWait;
  bool attached = true;             // has a struct socket: accepted, and not orphaned
  std::uint32_t receive_queue = 0;  // rcv_nxt - copied_seq; a received FIN counts 1
  std::uint32_t send_queue = 0;     // write_seq - snd_una; a sent FIN or SYN counts 1
};

// Cause::None for all other states.
Cause cause_of(const StuckFacts& facts);
// Payload bytes that the application has not read, and that the peer has not acknowledged. nullopt
// for LISTEN, where the queues have another meaning.
std::optional<std::uint64_t> unread_bytes(const StuckFacts& facts);
std::optional<std::uint64_t> unsent_bytes(const StuckFacts& facts);

}  // namespace tcpdwell
