// SPDX-License-Identifier: Apache-2.0
// Derives the meaning of a transition or an end from the kernel fields recorded with it. Pure
// functions, based on net/ipv4/tcp*.c of 5.14 to 7.x.
#pragma once

#include "model/event.h"
#include "model/record.h"

namespace tcpdwell {

struct Ending {
  Ended ended = Ended::Unknown;
  Why why = Why::Unknown;
  Side closed_by = Side::Unknown;  // for a connection without a FIN before
};

// RSTs that we sent for this socket, before or right after its end.
struct ResetFacts {
  bool watched = true;  // false: `sent` and `memory` are not known
  bool sent = false;
  bool memory = false;
};

// The side whose FIN came first, as far as the state alone tells.
Side first_fin(State state);

// For a full socket, to any state except CLOSED.
Why why_of(const TransitionEvent& event);

// True if a minisock is expected. FIN_WAIT_2 and CLOSING normally continue in a minisock; other
// ends are rare and mostly have an error or an RST. FIN_WAIT_1 never leads to a minisock.
bool leads_to_minisock(const TransitionEvent& event);
// True if an RST that the kernel sends right after this end would change what it means.
bool needs_reset_facts(const TransitionEvent& event);
// For a full socket that went to CLOSED without a minisock.
Ending end_of_socket(const TransitionEvent& event, const ResetFacts& resets);

// For a request sock without a child; `last` is the last event of its timer.
Ending end_of_request(const RequestEvent& last);

// For a minisock that did not expire.
Ending end_of_orphan(Canceller canceller);
TimeWaitEnded end_of_time_wait(Canceller canceller);
Why why_of(TimeWaitEnded ended);

}  // namespace tcpdwell
