// SPDX-License-Identifier: Apache-2.0
// The ports that connect() can choose in a network namespace, and whether it may reuse a TIME_WAIT.
#pragma once

#include "model/event.h"

namespace tcpdwell {

// Reads the namespace of the calling thread; the caller sets the cookie of the event. All 0 if it
// cannot be read.
NamespaceEvent read_port_range();

}  // namespace tcpdwell
