// SPDX-License-Identifier: Apache-2.0
// How exactly this host shows what a trace reports, in the words of the `start` object.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernel/programs.h"
#include "model/limitation.h"

namespace tcpdwell {

// capability -> "exact" | "jiffy" | "no", in the order to print
std::vector<std::pair<std::string, std::string>> sees_words(const Sees& sees);
// Limitations of this kernel that Programs::limitations() does not report. A trace does not warn of
// them, because only another kernel helps.
std::vector<Limitation> missing_by_kernel(const Sees& sees);

}  // namespace tcpdwell
