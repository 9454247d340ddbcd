// SPDX-License-Identifier: Apache-2.0
// Whether a dwell is known exactly enough for a histogram.
#pragma once

#include "model/record.h"
#include "stats/histogram.h"

namespace tcpdwell {

inline bool is_exact(const Dwell& dwell) {
  return dwell.error && dwell.error->count() <= dwell.value.count() / Histogram::kResolution;
}

}  // namespace tcpdwell
