// SPDX-License-Identifier: Apache-2.0
// What a user may have meant by a word that does not exist.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

// The candidate that is nearest to `typed`, if one typing error or two explain the difference: a
// letter too many, too few, another one, or two swapped; case counts as equal. Empty: none is near.
std::string nearest(std::string_view typed, const std::vector<std::string>& candidates);

// ". Did you mean NEAREST?", or nothing.
std::string did_you_mean(std::string_view typed, const std::vector<std::string>& candidates);

// What to type instead of an option that other tools have, or that one expects ("--from"); empty:
// not known.
std::string_view other_name(std::string_view option);

}  // namespace tcpdwell
