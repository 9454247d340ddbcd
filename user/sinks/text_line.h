// SPDX-License-Identifier: Apache-2.0
// A line of text in the making, which knows its column on the screen.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sinks/text_format.h"

namespace tcpdwell {

class TextLine {
 public:
  explicit TextLine(bool color) : color_(color) {}

  void clear() {
    text_.clear();
    column_ = 0;
  }
  void put(std::string_view text, std::size_t width) {
    text_ += text;
    column_ += width;
  }
  void put(std::string_view ascii) { put(ascii, ascii.size()); }
  void put_wide(std::string_view text) { put(text, display_width(text)); }
  // At least one space, unless this is the first column.
  void go_to(std::size_t column) {
    const std::size_t spaces = column > column_ ? column - column_ : column_ > 0 ? 1 : 0;
    text_.append(spaces, ' ');
    column_ += spaces;
  }
  // So that the text ends before `end`.
  void put_right(std::string_view text, std::size_t end) {
    const std::size_t width = display_width(text);
    go_to(end > width ? end - width : 0);
    put(text, width);
  }
  void color(std::string_view code) {
    if (color_) text_ += code;
  }
  // Continues on a new line.
  void below(std::size_t indent) {
    text_ += '\n';
    column_ = 0;
    go_to(indent);
  }

  bool empty() const { return text_.empty(); }
  std::size_t column() const { return column_; }
  const std::string& text() const { return text_; }

 private:
  bool color_;
  std::string text_;
  std::size_t column_ = 0;
};

}  // namespace tcpdwell
