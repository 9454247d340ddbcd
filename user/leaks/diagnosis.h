// SPDX-License-Identifier: Apache-2.0
// Decides who has to act on stuck sockets, and what prevents it, from the role of the socket and
// the program that holds it. Pure.
#pragma once

#include <cstdint>

#include "leaks/leak_groups.h"

namespace tcpdwell {

enum class Culprit : std::uint8_t {
  Holder,     // the process that holds the socket
  Maker,      // the process that made the socket, and let a child program inherit it
  Peer,       // the application at the other end
  RelayPeer,  // the application at the far side of the relay that holds the socket
  Network,    // sent data is not acknowledged
  Nobody,     // the state ends by itself, or is normal
};

// Why the process does not run.
enum class Halt : std::uint8_t {
  None,
  Stopped,   // by a signal
  Traced,    // by a debugger
  InKernel,  // uninterruptible sleep (D)
  Frozen     // by its cgroup
};

// How the holder has what another process made.
enum class Passing : std::uint8_t {
  None,       // it is the maker, or the maker is not known
  Given,      // deliberately: as stdin, or over a unix socket
  Forked,     // a child of the same program: one that serves it, or one that only inherited it
  Inherited,  // a program that the maker started: by mistake
  Unclear,    // given to another program, or inherited by it: its ancestors are not known
};

struct Diagnosis {
  Culprit culprit = Culprit::Holder;
  // The holder to look at: a worker rather than its master. nullptr: no holder is visible.
  const LeakHolder* process = nullptr;
  Halt halt = Halt::None;  // of `process`
  Passing passing = Passing::None;
  // The peer's receive window is closed.
  bool window_closed = false;
  bool retransmits = false;
  bool near_descriptor_limit = false;  // of `process`
};

// `group` must outlive the result.
Diagnosis diagnose(const LeakGroup& group);

}  // namespace tcpdwell
