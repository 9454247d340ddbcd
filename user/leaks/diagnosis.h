// SPDX-License-Identifier: Apache-2.0
// Who has to do something about stuck sockets, and what keeps them from it: from the role of the
// socket and from the program that holds it. Pure.
#pragma once

#include <cstdint>

#include "leaks/leak_groups.h"

namespace tcpdwell {

enum class Culprit : std::uint8_t {
  Holder,     // the process that has it open
  Maker,      // the one that made it, and let a program that it started inherit it
  Peer,       // the application at the other end
  RelayPeer,  // ... of the connection that a relay hands this one's end on to
  Network,    // what is sent is not acknowledged
  Nobody,     // it ends by itself, or it is meant to be
};

// Why the process does nothing at all.
enum class Halt : std::uint8_t {
  None,
  Stopped,  // by a signal
  Traced,   // by a debugger
  InKernel  // it waits in the kernel, deaf to signals
};

struct Diagnosis {
  Culprit culprit = Culprit::Holder;
  // Of the holders the one to look at: a worker and not its master. nullptr: none is seen.
  const LeakHolder* process = nullptr;
  Halt halt = Halt::None;  // of that one
  // The maker meant it: a child of the same program, or a program that has it as its stdin.
  bool handed_on = false;
  // The peer is there, but takes no more of what is not sent yet.
  bool window_closed = false;
  bool retransmits = false;
  bool near_descriptor_limit = false;  // of `process`
};

// `group` must outlive it.
Diagnosis diagnose(const LeakGroup& group);

}  // namespace tcpdwell
