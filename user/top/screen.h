// SPDX-License-Identifier: Apache-2.0
// The state of the screen that is not about connections: pages, selection, filter, prompts. Keys
// change it (controls.h), the view shows it (view.h). It can be packed into bytes, so that another
// process can go on with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "top/look.h"

namespace tcpdwell::top {

// A line that can be selected. It is found again by its key when the look changes.
struct Item {
  enum Kind : std::uint8_t { None, Group, Port, Connection, SumOf, Member };
  Kind kind = None;
  std::string key;
  bool operator==(const Item&) const = default;
};

struct Page {
  enum Kind : std::uint8_t { List, Group, Connection, Help };
  Kind kind = List;
  Item of;         // whose page it is
  Item selected;   // kind None: nothing
  int place = 0;   // of the selection among the items, if it is gone
  int scroll = 0;  // the first line that is visible
};

enum class Prompt : std::uint8_t { None, Filter, Time };

struct Screen {
  std::vector<Page> pages = {Page{}};  // the last one is visible
  Sort sort = Sort::Age;
  bool reverse = false;
  std::optional<By> by;
  std::string filter;  // as typed
  bool frozen = false;
  Prompt prompt = Prompt::None;
  std::string input;    // of the prompt
  std::string message;  // one line for the user; empty: none
  bool is_error = false;

  Page& page() { return pages.back(); }
  const Page& page() const { return pages.back(); }
  void say(std::string text, bool error = false) {
    message = std::move(text);
    is_error = error;
  }
};

std::string pack(const Screen& screen);
// nullopt: not from pack().
std::optional<Screen> unpack(std::string_view bytes);

// What surrounds the screen.
struct Setting {
  bool ascii = false;
  bool replay = false;
  std::string title;      // "host web-1" or the file of a replay; printable
  std::string warning;    // the last one of the run; printable
  Nanos first{}, last{};  // of a replay: CLOCK_MONOTONIC
};

}  // namespace tcpdwell::top
