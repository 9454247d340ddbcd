// SPDX-License-Identifier: Apache-2.0
// The bytes that turn one screen into another. Pure.
#pragma once

#include <string>
#include <string_view>

#include "top/cells.h"

namespace tcpdwell::top {

// Writes only what differs from `before` (null, or of another size: everything). Assumes no state
// of the terminal, and ends with plain text. The cursor is placed anew after each cell that is not
// ASCII, because terminals do not agree on the widths of characters.
std::string paint(const Grid& now, const Grid* before, bool color);

// OSC 52: asks the terminal to put `text` on the clipboard.
std::string copy_sequence(std::string_view text);

}  // namespace tcpdwell::top
