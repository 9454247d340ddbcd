// SPDX-License-Identifier: Apache-2.0
// The columns of a line about a socket, by the width of the terminal.
//
// From 100 columns on (with the short time) a line has both addresses; wider terminals give three
// quarters of what is left to them. Narrower ones show the addresses in a line of their own.
#pragma once

#include <cstddef>

namespace tcpdwell {

class Screen;

struct TextLayout {
  std::size_t width = 0;  // of the terminal; 0: none, lines are not fitted
  std::size_t rows = 0;   // of the terminal
  bool addresses = true;  // false: local and remote have no columns
  std::size_t local = 0, remote = 0, change = 0, dwell_end = 0, owner = 0;
  std::size_t note = 0;  // indent of the explanation below a line

  // Columns that are left for the rest of a line that has reached `column`.
  std::size_t room_at(std::size_t column) const {
    if (width == 0) return static_cast<std::size_t>(-1);
    return width > column ? width - column : 0;
  }
};

// `screen` null: no terminal. `time_width`: of the first column.
TextLayout layout_for(const Screen* screen, std::size_t time_width);

}  // namespace tcpdwell
