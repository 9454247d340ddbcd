// SPDX-License-Identifier: Apache-2.0
// A text table whose columns are as wide as their widest cell. If a terminal is too narrow for it,
// it shrinks in steps: the gap, titles, cells that may be cut, columns that may go.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

class TextTable {
 public:
  struct Column {
    std::string title;
    bool right = false;       // numbers
    std::string short_title;  // empty: `title`
    unsigned goes = 0;        // the column with the highest one is left out first; 0: never
    bool moves = false;       // one that is left out gets a line of its own below each row
    std::size_t least = 0;    // cells may be cut to this width; 0: never
    bool wraps = false;       // prose in the last column: it continues below, in its column
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // `cells`: one for each column, printable. `color`: of the whole line. `notes`: whole lines below
  // it.
  void add(std::vector<std::string> cells, std::string_view color = {},
           std::vector<std::string> notes = {});
  // Each line has a '\n' and no trailing spaces. `width`: of the terminal; 0: no limit. Notes are
  // not fitted.
  std::string text(bool header, bool color, std::size_t width = 0) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::string_view color;
    std::vector<std::string> notes;
  };
  struct Fit {
    std::size_t gap = 2;
    bool short_titles = false;
    std::vector<bool> shown;
    std::vector<std::size_t> widths;
    std::size_t total() const;
  };
  const std::string& title_of(std::size_t column, const Fit& fit) const;
  void measure(Fit& fit, bool header) const;
  Fit fit_to(std::size_t width, bool header) const;
  std::string moved(const Row& row, const Fit& fit) const;
  template <typename CellOf>
  std::string line_of(const Fit& fit, std::size_t width, CellOf&& cell_of) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace tcpdwell
