// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_table.h"

#include <algorithm>
#include <utility>

#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kGap = 2;

void append_cell(std::string& line, const std::string& cell, std::size_t width, bool right) {
  const std::string padding(width - std::min(width, display_width(cell)), ' ');
  line += right ? padding + cell : cell + padding;
}

std::string without_trailing_spaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

void TextTable::add(std::vector<std::string> cells, std::string_view color,
                    std::vector<std::string> notes) {
  cells.resize(columns_.size());
  rows_.push_back({std::move(cells), color, std::move(notes)});
}

std::string TextTable::text(bool header, bool color) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = header ? columns_[i].title.size() : 0;
    for (const Row& row : rows_) width = std::max(width, display_width(row.cells[i]));
    widths.push_back(width);
  }
  const auto line_of = [&](auto&& cell_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      append_cell(line, cell_of(i), widths[i], columns_[i].right);
    }
    return without_trailing_spaces(std::move(line));
  };

  std::string all;
  if (header) all += line_of([&](std::size_t i) { return columns_[i].title; }) + '\n';
  for (const Row& row : rows_) {
    const std::string line = line_of([&](std::size_t i) { return row.cells[i]; });
    if (color && !row.color.empty())
      all.append(row.color).append(line).append(ansi::kReset) += '\n';
    else
      all += line + '\n';
    for (const std::string& note : row.notes) all += note + '\n';
  }
  return all;
}

}  // namespace tcpdwell
