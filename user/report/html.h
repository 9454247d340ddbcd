// SPDX-License-Identifier: Apache-2.0
// Text, numbers and tables as HTML.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/record.h"
#include "report/report_data.h"

namespace tcpdwell::reporting {

// For element content and quoted attributes.
std::string html(std::string_view text);
// Printable, then html(): for bytes of other processes.
std::string html_of_bytes(std::string_view bytes);
// A JSON string with its quotes, for a <script> element: no '<', and nothing invisible.
std::string json_text(std::string_view text);

// "03:12:05" or, with milliseconds, "03:12:05.250": UTC. Seconds since boot where the date is not
// known.
std::string clock_text(const When& when, bool milliseconds = false);
// "2026-11-28 03:12:05 UTC"
std::string date_text(const When& when);

// "10s", "1m": without the fractions of a threshold.
std::string round_duration(Nanos duration);
// With a capital and a full stop.
std::string sentence(std::string text);

struct Cell {
  std::string text;  // HTML
  bool number = false;
  const char* style = nullptr;  // class; null: none
};
struct Column {
  const char* title;
  bool number = false;
};

class Table {
 public:
  explicit Table(const char* caption, std::vector<Column> columns);
  Table& row(std::vector<std::string> cells);  // HTML
  Table& row(std::vector<Cell> cells);
  std::size_t rows() const { return rows_; }
  bool is_empty() const { return rows_ == 0; }
  std::string text() const { return html_ + "</tbody></table></div>\n"; }

 private:
  std::vector<Column> columns_;
  std::string html_;
  std::size_t rows_ = 0;
};

// A picture with its words: a section that findings link to. All are HTML.
struct Picture {
  const char* id;
  const char* title;
  std::string lead;   // sentences above the picture
  std::string body;   // the picture
  std::string notes;  // below it
  std::string table;  // the same as numbers; empty: the body is a table
};
std::string section(const Picture& picture);

}  // namespace tcpdwell::reporting
