// SPDX-License-Identifier: Apache-2.0
#include "top/paint.h"

#include <fmt/format.h>

#include "util/base64.h"

namespace tcpdwell::top {
namespace {

std::string style_sequence(const Style& style, bool color) {
  std::string text = "\033[0";
  if (style.bold) text += ";1";
  if (style.reverse) text += ";7";
  if (color) switch (style.tone) {
      case Tone::Plain: break;
      case Tone::Red: text += ";31"; break;
      case Tone::Magenta: text += ";35"; break;
      case Tone::Green: text += ";32"; break;
      case Tone::Cyan: text += ";36"; break;
    }
  return text + 'm';
}

bool is_blank(const Cell& cell) { return cell == Cell{}; }

// The first column from which the line is blank.
int text_end(const Grid& grid, int y) {
  int end = grid.width();
  while (end > 0 && is_blank(grid.at(end - 1, y))) --end;
  return end;
}

}  // namespace

std::string paint(const Grid& now, const Grid* before, bool color) {
  std::string out;
  if (before != nullptr && (before->width() != now.width() || before->height() != now.height()))
    before = nullptr;
  if (before == nullptr) out += "\033[0m\033[2J";
  Style style;
  int at_x = -1, at_y = -1;  // of the cursor; -1: not known
  const Cell blank;
  for (int y = 0; y < now.height(); ++y) {
    const int end = text_end(now, y);
    for (int x = 0; x < now.width(); ++x) {
      const Cell& cell = now.at(x, y);
      const Cell& old = before != nullptr ? before->at(x, y) : blank;
      if (cell == old || cell.width == 0) continue;
      if (x >= end) {  // the rest of the line became blank
        out += fmt::format("\033[{};{}H", y + 1, x + 1);
        if (style != Style{}) out += "\033[0m";
        style = {};
        out += "\033[K";
        at_x = -1;
        break;
      }
      if (at_x != x || at_y != y) out += fmt::format("\033[{};{}H", y + 1, x + 1);
      if (cell.style != style) out += style_sequence(cell.style, color);
      style = cell.style;
      out += cell.text();
      at_y = y;
      // The last column leaves the cursor where terminals do not agree, too.
      at_x = cell.is_ascii() && x + 1 < now.width() ? x + 1 : -1;
    }
  }
  if (style != Style{}) out += "\033[0m";
  return out;
}

std::string copy_sequence(std::string_view text) { return "\033]52;c;" + base64(text) + "\033\\"; }

}  // namespace tcpdwell::top
