// SPDX-License-Identifier: Apache-2.0
// Which ports connect() may choose in a network namespace, and whether it may reuse a TIME_WAIT.
#pragma once

#include "model/event.h"

namespace tcpdwell {

// Of the namespace that the calling thread is in; whose cookie the event gets is the caller's
// business. All 0 where it cannot be read.
NamespaceEvent read_port_range();

}  // namespace tcpdwell
