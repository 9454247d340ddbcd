// SPDX-License-Identifier: Apache-2.0
// What keys do: they change the screen, and what the model is asked. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "top/keys.h"
#include "top/match.h"
#include "top/model.h"
#include "top/screen.h"
#include "top/view.h"

namespace tcpdwell::top {

// What a key asks of the program around the screen.
struct Wish {
  bool quit = false, suspend = false, redraw = false;
  std::string copy;                 // to the clipboard; empty: nothing
  std::optional<Nanos> step;        // of a replay: so much forth, or back if negative
  std::optional<std::string> time;  // of a replay: to this time, as typed
};

class Controls {
 public:
  // `parse` reads what is typed after "/".
  Controls(Model& model, Screen& screen, const Setting& setting, ParseMatch parse)
      : model_(model), screen_(screen), setting_(setting), parse_(std::move(parse)) {}

  Wish press(const Key& key, Size size);
  // Asks the model what the screen needs. Call it also when `screen` was replaced.
  void ask();

 private:
  void list_key(const Key& key, Size size, Wish& wish);
  void text_key(const Key& key, Wish& wish);
  void prompt_key(const Key& key, Wish& wish);
  void move(int by, Size size);
  void move_to_section(Size size);
  void open_selected();
  void leave();
  void next_by();
  void next_sort();
  void set_filter(const std::string& text);
  std::string copied() const;
  void copy(Wish& wish);

  Model& model_;
  Screen& screen_;
  const Setting& setting_;
  ParseMatch parse_;
  Match match_;
};

}  // namespace tcpdwell::top
