// SPDX-License-Identifier: Apache-2.0
// A distribution of dwells drawn with characters, a line a range:
//
//     60.000s  to 61.000s  1,204  48.2%  ############
//
// Equal steps where all but one in a hundred are within a factor of two, like those of TIME_WAIT;
// else 1, 2, 5 of each power of ten.
#pragma once

#include <string>

#include "stats/histogram.h"

namespace tcpdwell {

// Every line with its '\n'; empty if there is nothing to draw.
std::string draw_histogram(const Histogram& histogram);

}  // namespace tcpdwell
