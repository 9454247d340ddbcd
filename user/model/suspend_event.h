// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/types.h"

namespace tcpdwell {

// The host was suspended for `length`, some time between `since` and `at`. CLOCK_MONOTONIC does not
// advance during a suspension.
struct SuspendEvent {
  Nanos at{};
  Nanos since{}, length{};
};

}  // namespace tcpdwell
