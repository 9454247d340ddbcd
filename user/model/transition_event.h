// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "model/process_facts.h"
#include "model/types.h"

namespace tcpdwell {

// Counters of a connection, read from its socket at the end.
struct Tally {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint32_t retransmits = 0;
  std::uint32_t srtt_us = 0;  // 0: the kernel has no sample
  bool operator==(const Tally&) const = default;
};

// sock:inet_sock_set_state
struct TransitionEvent {
  Nanos at{};
  std::uint32_t cpu = 0;
  std::uint64_t object = 0;
  std::uint64_t cookie = 0;
  Flow flow;
  State from = State::Closed;
  State to = State::Closed;
  std::uint32_t life = 0;
  std::uint64_t sock_cgroup_id = 0;
  std::uint16_t err = 0;
  std::uint8_t shutdown = 0;
  bool dead = false;
  bool attached = false;
  bool closing = false;
  bool exiting = false;
  bool mptcp = false;
  bool fastopen = false;
  bool unacked = false;
  bool followed = false;
  bool by_followed = false;    // `run`: `task` is a process of the command
  bool sent = false;           // `run`: leaves CLOSE_WAIT, in which data was sent
  bool silent = false;         // to CLOSED: no segment was sent in this life
  bool timestamped = false;    // to CLOSED: the peer sent TCP timestamps
  bool repair = false;         // TCP_REPAIR is on: connect() and close() send nothing
  bool fins_done = false;      // to CLOSED: FINs went both ways, ours is acknowledged
  bool listen_unsure = false;  // to LISTEN: listen() can still fail, or bind a port
  bool listen_failed = false;  // from LISTEN: listen() failed
  bool may_be_killed = false;  // from LISTEN: CLOSED to CLOSED follows if SOCK_DESTROY did it
  // To ESTABLISHED: how often the SYN, or a child's SYN-ACK, was sent; 0: not known.
  std::uint8_t syns_sent = 0;
  std::uint32_t receive_queue = 0;  // rcv_nxt - copied_seq; a FIN counts 1
  std::optional<Process> task;
  std::optional<Tally> tally;
};

}  // namespace tcpdwell
