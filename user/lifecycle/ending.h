// SPDX-License-Identifier: Apache-2.0
// What a transition or an end means, from the facts that the kernel shows with it. Pure functions;
// the facts are those of net/ipv4/tcp*.c, from 5.14 to 7.x.
#pragma once

#include "model/event.h"
#include "model/record.h"

namespace tcpdwell {

struct Ending {
  Ended ended = Ended::Unknown;
  Why why = Why::Unknown;
  Side closed_by = Side::Unknown;  // for a connection in which nobody had sent a FIN
};

// RSTs that we sent for this socket, before or right after its end.
struct ResetFacts {
  bool watched = true;  // else the other two are not known
  bool sent = false;
  bool memory = false;
};

// Which side's FIN came first, as far as the state alone says it.
Side first_fin(State state);

// Of a full socket, to any state but CLOSED.
Why why_of(const TransitionEvent& event);

// FIN_WAIT_2 and CLOSING become TIME_WAIT in a minisock; what else ends them is rare, and mostly
// has an error or an RST. (No minisock comes of FIN_WAIT_1.)
bool leads_to_minisock(const TransitionEvent& event);
// True if an RST that the kernel sends right after this end would change what it means.
bool needs_reset_facts(const TransitionEvent& event);
// Of a full socket that went to CLOSED with no minisock to follow.
Ending end_of_socket(const TransitionEvent& event, const ResetFacts& resets);

// Of a half-open request of which no child came; `last` is the last that its timer saw.
Ending end_of_request(const RequestEvent& last);

// Of a minisock that did not expire.
Ending end_of_orphan(Canceller canceller);
TimeWaitEnded end_of_time_wait(Canceller canceller);
Why why_of(TimeWaitEnded ended);

}  // namespace tcpdwell
