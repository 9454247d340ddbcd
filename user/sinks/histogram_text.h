// SPDX-License-Identifier: Apache-2.0
// A distribution of dwells drawn with characters, a line a range:
//
//     60.1s to 60.2s   1,204  ############
//
// The ranges are as wide as makes some twenty of them: equal steps where the values are within one
// power of two, like those of TIME_WAIT, else equal factors.
#pragma once

#include <string>

#include "core/histogram.h"

namespace tcpdwell {

// Every line with its '\n'; empty if there is nothing to draw.
std::string draw_histogram(const Histogram& histogram);

}  // namespace tcpdwell
