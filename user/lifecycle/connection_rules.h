// SPDX-License-Identifier: Apache-2.0
// Legal combinations of a connection's fields. Debug builds check the connection of every event.
#pragma once

#include "lifecycle/connection.h"

namespace tcpdwell {

// Returns nullptr if the combination is legal, else a static text with the violated rule.
const char* broken_rule(const Connection& connection);

}  // namespace tcpdwell
