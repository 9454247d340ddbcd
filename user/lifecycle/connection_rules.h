// SPDX-License-Identifier: Apache-2.0
// Which combinations of a connection's fields exist. Debug builds check every connection that an
// event was about.
#pragma once

#include "lifecycle/connection.h"

namespace tcpdwell {

// nullptr: the combination is legal; else what is wrong, as a static text.
const char* broken_rule(const Connection& connection);

}  // namespace tcpdwell
