// SPDX-License-Identifier: Apache-2.0
// Fits text into the width of a terminal. Escape sequences of color have no width.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tcpdwell {

// Breaks lines longer than `width` at spaces. What follows a break is indented like the line, or by
// `hang` if the line is not; below "next: " by its width more. A long word is indented less, and
// one longer than a line stays whole. `width` 0: no limit.
std::string wrap_lines(std::string_view text, std::size_t width, std::size_t hang);

// The first columns of `text`, ending in "…" if something was cut.
std::string shortened(std::string_view text, std::size_t width);

}  // namespace tcpdwell
