// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "sinks/text_format.h"
#include "sinks/text_wrap.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kLeastProse = 24;  // narrower prose begins on a line of its own
constexpr std::size_t kMovedIndent = 7;

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

std::size_t TextTable::Fit::total() const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < widths.size(); ++i)
    if (shown[i]) sum += widths[i] + (sum > 0 ? gap : 0);
  return sum;
}

const std::string& TextTable::title_of(std::size_t column, const Fit& fit) const {
  const Column& one = columns_[column];
  return fit.short_titles && !one.short_title.empty() ? one.short_title : one.title;
}

void TextTable::measure(Fit& fit, bool header) const {
  fit.widths.assign(columns_.size(), 0);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (header) fit.widths[i] = display_width(title_of(i, fit));
    if (columns_[i].wraps) continue;  // takes what is left
    for (const Row& row : rows_)
      fit.widths[i] = std::max(fit.widths[i], display_width(row.cells[i]));
  }
}

TextTable::Fit TextTable::fit_to(std::size_t width, bool header) const {
  Fit fit;
  fit.shown.assign(columns_.size(), true);
  measure(fit, header);
  if (width == 0 || fit.total() <= width) return fit;
  fit.gap = 1;
  if (fit.total() <= width) return fit;
  fit.short_titles = true;
  measure(fit, header);
  while (fit.total() > width) {
    std::optional<std::size_t> next;
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (fit.shown[i] && columns_[i].goes > (next ? columns_[*next].goes : 0)) next = i;
    if (!next) break;
    fit.shown[*next] = false;
  }
  for (std::size_t i = 0; i < columns_.size() && fit.total() > width; ++i)
    if (fit.shown[i] && columns_[i].least != 0 && fit.widths[i] > columns_[i].least)
      fit.widths[i] =
          std::max(columns_[i].least, fit.widths[i] - std::min(fit.widths[i], fit.total() - width));
  return fit;
}

template <typename CellOf>
std::string TextTable::line_of(const Fit& fit, std::size_t width, CellOf&& cell_of) const {
  std::string line;
  std::size_t column = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!fit.shown[i]) continue;
    if (column > 0) {
      line.append(fit.gap, ' ');
      column += fit.gap;
    }
    const std::string& cell = cell_of(i);
    if (columns_[i].wraps && width > 0 && column + display_width(cell) > width) {
      const bool own_line = column + kLeastProse > width;
      const std::size_t indent = own_line ? kMovedIndent : column;
      if (own_line) line = without_trailing_spaces(std::move(line)) + '\n';
      const std::string prose = wrap_lines(std::string(indent, ' ') + cell, width, indent);
      return line + (own_line ? prose : prose.substr(indent));
    }
    append_cell(line, columns_[i].least != 0 ? shortened(cell, fit.widths[i]) : cell, fit.widths[i],
                columns_[i].right);
    column += fit.widths[i];
  }
  return without_trailing_spaces(std::move(line));
}

// "       peer [2001:db8::1]:443, holder nginx[7]"
std::string TextTable::moved(const Row& row, const Fit& fit) const {
  std::string line;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (fit.shown[i] || !columns_[i].moves || row.cells[i].empty()) continue;
    std::string title = title_of(i, fit);
    std::transform(title.begin(), title.end(), title.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    line += (line.empty() ? std::string(kMovedIndent, ' ') : std::string(", ")) + title + ' ' +
            row.cells[i];
  }
  return line;
}

std::string TextTable::text(bool header, bool color, std::size_t width) const {
  const Fit fit = fit_to(width, header);
  std::string all;
  if (header)
    all +=
        line_of(fit, width, [&](std::size_t i) -> const std::string& { return title_of(i, fit); }) +
        '\n';
  for (const Row& row : rows_) {
    std::string line =
        line_of(fit, width, [&](std::size_t i) -> const std::string& { return row.cells[i]; });
    if (const std::string below = moved(row, fit); !below.empty())
      line += '\n' + wrap_lines(below, width, kMovedIndent);
    if (color && !row.color.empty())
      all.append(row.color).append(line).append(ansi::kReset) += '\n';
    else
      all += line + '\n';
    for (const std::string& note : row.notes) all += note + '\n';
  }
  return all;
}

}  // namespace tcpdwell
