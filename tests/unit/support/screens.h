// SPDX-License-Identifier: Apache-2.0
// A terminal of a fixed size, and what must hold for text on it.
#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "sinks/screen.h"
#include "sinks/text_format.h"

namespace tcpdwell::samples {

class FixedScreen final : public Screen {
 public:
  explicit FixedScreen(std::size_t columns, std::size_t rows = 24) : size_{columns, rows} {}
  ScreenSize size() const override { return size_; }
  void resize(std::size_t columns, std::size_t rows) { size_ = {columns, rows}; }

 private:
  ScreenSize size_;
};

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// No line reaches beyond the width, so the terminal breaks no word.
inline void expect_fits(const std::string& text, std::size_t width) {
  for (const std::string& line : lines_of(text)) EXPECT_LE(display_width(line), width) << line;
}

}  // namespace tcpdwell::samples
