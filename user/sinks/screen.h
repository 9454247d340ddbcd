// SPDX-License-Identifier: Apache-2.0
// The size of the terminal that text is written to.
#pragma once

#include <cstddef>

namespace tcpdwell {

class Output;

struct ScreenSize {
  std::size_t columns = 80, rows = 24;
};

class Screen {
 public:
  virtual ~Screen() = default;
  // As of now: a terminal can be resized.
  virtual ScreenSize size() const = 0;
};

// COLUMNS and LINES of the environment take precedence over the terminal. 80x24 if neither says.
class Terminal final : public Screen {
 public:
  // `output` must outlive it.
  explicit Terminal(const Output& output) : output_(output) {}
  ScreenSize size() const override;

 private:
  const Output& output_;
};

// Columns of the terminal; 0 without one.
inline std::size_t columns_of(const Screen* screen) {
  return screen != nullptr ? screen->size().columns : 0;
}

}  // namespace tcpdwell
