// SPDX-License-Identifier: Apache-2.0
// Turns the bytes of a terminal into keys. Pure: the caller passes the time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/types.h"

namespace tcpdwell::top {

struct Key {
  enum Code {
    Text,  // `text`: one character of UTF-8
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Tab,
    Backspace,
    Interrupt,  // Ctrl-C
    Suspend,    // Ctrl-Z
    Redraw,     // Ctrl-L
    Clear,      // Ctrl-U
  };
  Code code = Text;
  std::string text;
  bool is(char c) const { return code == Text && text.size() == 1 && text[0] == c; }
};

class Keys {
 public:
  // An escape sequence may come in parts; what takes longer than this is the Escape key.
  static constexpr Nanos kPatience = std::chrono::milliseconds{50};

  std::vector<Key> add(std::string_view bytes, Nanos now);
  // Call it at due(): an Escape without a continuation.
  std::vector<Key> wait(Nanos now);
  std::optional<Nanos> due() const;

 private:
  std::vector<Key> take(bool all);

  std::string bytes_;
  Nanos last_{};
};

}  // namespace tcpdwell::top
