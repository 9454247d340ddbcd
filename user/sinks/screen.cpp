// SPDX-License-Identifier: Apache-2.0
#include "sinks/screen.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "sinks/output.h"

namespace tcpdwell {
namespace {

// Narrower ones are laid out as this, and wrap.
constexpr std::size_t kLeastColumns = 40;
constexpr std::size_t kLeastRows = 5;

std::optional<std::size_t> number_of(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr) return std::nullopt;
  const std::string_view text(value);
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0 || number > 10'000)
    return std::nullopt;
  return number;
}

}  // namespace

ScreenSize Terminal::size() const {
  ScreenSize size;
  winsize window{};
  if (::ioctl(output_.fd(), TIOCGWINSZ, &window) == 0) {
    if (window.ws_col > 0) size.columns = window.ws_col;
    if (window.ws_row > 0) size.rows = window.ws_row;
  }
  size.columns = std::max(number_of("COLUMNS").value_or(size.columns), kLeastColumns);
  size.rows = std::max(number_of("LINES").value_or(size.rows), kLeastRows);
  return size;
}

}  // namespace tcpdwell
