// SPDX-License-Identifier: Apache-2.0
// Draws a distribution of dwells, one line for each range:
//
//     60.000s  to 61.000s  1,204  48.2%  ############
// Equal steps if 99 % are within a factor of two, as of TIME_WAIT; otherwise 1, 2, 5 of each power
// of ten.
#pragma once

#include <string>

#include "stats/histogram.h"

namespace tcpdwell {

// Every line with its '\n'; empty if there is nothing to draw.
std::string draw_histogram(const Histogram& histogram);

}  // namespace tcpdwell
