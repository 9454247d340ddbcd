// SPDX-License-Identifier: Apache-2.0
// How exactly this host shows what a trace promises, in the words of the `start` object.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/limitation.h"
#include "kernel/programs.h"

namespace tcpdwell {

// capability -> "exact" | "jiffy" | "no", in the order to print
std::vector<std::pair<std::string, std::string>> sees_words(const Sees& sees);
// Of those that are not exact, what this kernel lacks for it and Programs::missing() does not say:
// no trace complains of it, since there is nothing to be done but to take another kernel.
std::vector<Limitation> missing_by_kernel(const Sees& sees);

}  // namespace tcpdwell
