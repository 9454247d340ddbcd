// SPDX-License-Identifier: Apache-2.0
// A text table whose columns are as wide as their widest cell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

class TextTable {
 public:
  struct Column {
    std::string title;
    bool right = false;  // numbers
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // `cells`: one for each column, printable. `color`: of the whole line. `notes`: whole lines below
  // it.
  void add(std::vector<std::string> cells, std::string_view color = {},
           std::vector<std::string> notes = {});
  // Each line has a '\n' and no trailing spaces.
  std::string text(bool header, bool color) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::string_view color;
    std::vector<std::string> notes;
  };
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace tcpdwell
