// SPDX-License-Identifier: Apache-2.0
// The monotonic clock of the kernel, as in bpf_ktime_get_ns().
#pragma once

#include <optional>

#include "model/types.h"
#include "util/result.h"

namespace tcpdwell {

// The current time. In a time namespace CLOCK_MONOTONIC has an offset, but event times have none:
// measure_clock() measures the offset, and this subtracts it.
Nanos monotonic_now();

// Call it before the first time is taken, with CAP_BPF. Error: we are in a time namespace, and the
// kernel refused the measurement.
std::optional<Error> measure_clock();

}  // namespace tcpdwell
