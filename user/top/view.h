// SPDX-License-Identifier: Apache-2.0
// Draws the screen: what the model knows, and the state of the screen, become a grid of cells.
// Pure.
#pragma once

#include "top/cells.h"
#include "top/look.h"
#include "top/screen.h"

namespace tcpdwell::top {

struct Size {
  int width = 80, height = 24;
  bool operator==(const Size&) const = default;
};

// The least size that view() draws; on a smaller one it says so.
inline constexpr Size kLeast{40, 8};

// Adapts selection and scrolling to a look that may have changed: the selection follows its item;
// if the item is gone, it goes to the next one in its place. Call it before view().
void settle(const Look& look, const Setting& setting, Size size, Screen& screen);
Grid view(const Look& look, const Screen& screen, const Setting& setting, Size size);

// How many lines of a page the screen shows.
int page_lines(const Look& look, Size size);

}  // namespace tcpdwell::top
