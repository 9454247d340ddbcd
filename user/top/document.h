// SPDX-License-Identifier: Apache-2.0
// A page as lines, more than the screen may have. Pure.
#pragma once

#include <string>
#include <vector>

#include "top/cells.h"
#include "top/look.h"
#include "top/screen.h"

namespace tcpdwell::top {

// A part of a line.
struct Span {
  int at = 0;  // column
  std::string text;
  Style style;
  int columns = 0;     // at most so many
  bool right = false;  // aligned to the right end of `columns`
};

struct Line {
  int item = -1;                // index of the item that it belongs to; -1: none
  Item::Kind row = Item::None;  // a row of a table: its spans are made when it is visible
  std::size_t index = 0;        // into the vector of the look that `row` stands for
  std::vector<Span> spans;      // of another line
};

struct Document {
  std::vector<Line> lines;
  std::vector<Item> items;  // that can be selected
  // The line that begins the item, and the one after its last.
  std::vector<int> begins, ends;
  std::vector<int> sections;  // first item of each section

  int place_of(const Item& item) const;  // -1: it is not here
  void add(std::string text, Style style = {}, int at = 0);
  // `text`, wrapped into lines of `columns` columns, at most `lines`.
  void add_wrapped(std::string_view text, int columns, int at, int lines = INT32_MAX,
                   Style style = {});
  void begin_item(Item item);
  void end_item();
};

Document document_of(const Look& look, const Screen& screen, const Setting& setting, int width,
                     int height);

// The pages of one item; `look` may not have it any more.
Document connection_page(const Look& look, const Setting& setting, int width);
Document group_page(const Look& look, const Page& page, const Setting& setting, int width);
Document help_page(const Setting& setting, int width);

// The spans of a row of a table.
std::vector<Span> spans_of(const Line& line, const Look& look, int width);
std::vector<Span> heading_of(Item::Kind row, const Look& look, int width);

}  // namespace tcpdwell::top
