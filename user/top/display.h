// SPDX-License-Identifier: Apache-2.0
// Joins terminal, keys, model and view. Owns no loop: call take_input() when Terminal::input() or
// changes() is readable, or due() has come, and then frame().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "top/cells.h"
#include "top/controls.h"
#include "top/keys.h"
#include "top/model.h"
#include "top/screen.h"
#include "top/terminal.h"

namespace tcpdwell::top {

class Display {
 public:
  // The references must outlive it.
  Display(Terminal& terminal, Model& model, const Setting& setting, ParseMatch parse, bool color)
      : terminal_(terminal),
        model_(model),
        setting_(setting),
        controls_(model, screen_, setting, std::move(parse)),
        color_(color) {}

  // Takes the keys that came. `quit` is also set if the terminal is gone.
  Wish take_input(Nanos now);
  // When to call take_input() without news; nullopt: never.
  std::optional<Nanos> due() const { return keys_.due(); }
  // The bytes that bring the terminal up to date; empty: nothing has changed.
  std::string frame();
  // Draws everything with the next frame.
  void redraw() { drawn_.reset(); }
  // The screen or the setting has changed.
  void touch() { changed_ = true; }

  Screen& screen() { return screen_; }
  // Goes on with a screen from elsewhere.
  void replace(Screen screen);
  void ask() { controls_.ask(); }

 private:
  void change(const Terminal::Change& change);

  Terminal& terminal_;
  Model& model_;
  const Setting& setting_;
  Screen screen_;
  Controls controls_;
  Keys keys_;
  bool color_;
  std::optional<Grid> drawn_;
  std::uint64_t drawn_look_ = 0;
  bool changed_ = true;
};

}  // namespace tcpdwell::top
