// SPDX-License-Identifier: Apache-2.0
// The kernel's monotonic clock, as bpf_ktime_get_ns() tells it.
#pragma once

#include <optional>

#include "model/types.h"
#include "util/result.h"

namespace tcpdwell {

// Now. In a time namespace CLOCK_MONOTONIC has an offset, which events have not: measured once by
// measure_clock(), and taken away here.
Nanos monotonic_now();

// Call it before anything is timed, while we have CAP_BPF. Error: we are in a time namespace, and
// the kernel does not let us measure.
std::optional<Error> measure_clock();

}  // namespace tcpdwell
