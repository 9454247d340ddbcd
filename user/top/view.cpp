// SPDX-License-Identifier: Apache-2.0
#include "top/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/dwell_order.h"
#include "sinks/text_clock.h"
#include "sinks/text_format.h"
#include "top/document.h"
#include "util/duration.h"

namespace tcpdwell::top {
namespace {

constexpr int kStateCell = 26;  // "SYN_RECEIVED 100,000 ▁▂▃▄▅"
constexpr Nanos kSparkStep = std::chrono::seconds{30};
constexpr std::string_view kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr Style kQuiet{Tone::Cyan};

// States that some connection was in during the history.
std::vector<State> states_shown(const Look& look) {
  std::vector<State> states;
  for (const State state : kDwellOrder) {
    const auto i = index(state);
    const bool any =
        look.now[i] != 0 || std::any_of(look.history.begin(), look.history.end(),
                                        [&](const Sample& sample) { return sample.now[i] != 0; });
    if (any) states.push_back(state);
  }
  return states;
}

int cells_per_line(int width) { return std::max(1, (width + 1) / (kStateCell + 1)); }

int state_lines(const Look& look, Size size) {
  const int all = static_cast<int>(states_shown(look).size());
  const int each = cells_per_line(size.width);
  return std::clamp((all + each - 1) / each, 1, std::max(1, size.height / 5));
}

// The maximum of each step of time, the present one last. Scaled to the maximum of all.
std::string sparkline(const Look& look, State state, int columns) {
  std::vector<std::uint64_t> steps(static_cast<std::size_t>(columns), 0);
  std::vector<bool> known(steps.size(), false);
  std::uint64_t most = 0;
  for (const Sample& sample : look.history) {
    const auto back = (look.when.mono - sample.at) / kSparkStep;
    if (back < 0 || back >= columns) continue;
    const auto step = static_cast<std::size_t>(columns - 1 - back);
    steps[step] = std::max(steps[step], sample.now[index(state)]);
    known[step] = true;
    most = std::max(most, steps[step]);
  }
  std::string text;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!known[i] || most == 0)
      text += ' ';
    else
      text += kBars[steps[i] * (std::size(kBars) - 1) / most];
  }
  return text;
}

void draw_states(Grid& grid, const Look& look, Size size, int top, int lines) {
  const std::vector<State> states = states_shown(look);
  const int each = cells_per_line(size.width);
  const int cell = (size.width + 1) / each - 1;
  if (states.empty()) {
    grid.put(0, top, look.whole ? "no connection is open" : "listing the open sockets…");
    return;
  }
  for (std::size_t i = 0; i < states.size(); ++i) {
    const int line = static_cast<int>(i) / each;
    if (line >= lines) break;
    const int x = static_cast<int>(i) % each * (cell + 1);
    const State state = states[i];
    grid.put(x, top + line, name(state), kQuiet, 12);
    grid.put_right(x + 13, top + line, format_number(look.now[index(state)]), 7,
                   {Tone::Plain, true, false});
    grid.put(x + 21, top + line, sparkline(look, state, std::min(cell - 21, 10)));
  }
}

std::string title(const Look& look, const Setting& setting) {
  TextClock clock;
  std::string time = clock.format(look.when);
  time.resize(std::min<std::size_t>(time.size(), setting.replay ? 10 : 8));
  std::string text = fmt::format("tcpdwell top  {}  {}  {} open, {} stuck", time, setting.title,
                                 format_number(look.open), format_number(look.flagged));
  return text;
}

// What the user must not overlook.
std::string marks(const Look& look, const Screen& screen, const Setting& setting) {
  std::string text;
  const auto add = [&](const std::string& mark) { text += (text.empty() ? "" : "  ") + mark; };
  if (screen.frozen) add("FROZEN");
  if (!screen.filter.empty()) add("/" + screen.filter);
  if (look.lost > 0) add("LOST " + format_number(look.lost));
  if (look.unseen > 0) add("MISSED ≥" + format_number(look.unseen));
  if (look.evicted > 0) add("DROPPED " + format_number(look.evicted));
  if (setting.replay && setting.last > setting.first) {
    const auto passed = std::clamp(look.when.mono, setting.first, setting.last) - setting.first;
    add(fmt::format("+{} of {}", format_duration(passed),
                    format_duration(setting.last - setting.first)));
  }
  return text;
}

void draw_title(Grid& grid, const Look& look, const Screen& screen, const Setting& setting) {
  const Style style{Tone::Plain, true, true};
  grid.paint(0, 0, grid.width(), style);
  const std::string right = marks(look, screen, setting);
  const int room = std::min(columns_of(right, setting.ascii), grid.width() / 2);
  grid.put(0, 0, title(look, setting), style, grid.width() - room - (room > 0 ? 1 : 0));
  grid.put(grid.width() - room, 0, right, style, room);
}

// The most important ones first: a narrow screen cuts off the others.
std::string hints(const Screen& screen, const Setting& setting) {
  const std::string_view travel = setting.replay ? " ←→ 1s T time" : " Space freeze";
  switch (screen.page().kind) {
    case Page::Help: return "Esc back  q quit";
    case Page::Connection: return "Esc back  ↑↓ scroll  y copy " + std::string(travel) + "  q quit";
    case Page::Group:
      return "Esc back  ↑↓ select  Enter open  y copy " + std::string(travel) + "  q quit";
    case Page::List: break;
  }
  return fmt::format("? help  q quit  ↑↓ select  Enter open  / filter  s {}  g group {}",
                     name(screen.sort), travel);
}

std::string position(const Document& document, const Page& page, int lines) {
  const int all = static_cast<int>(document.lines.size());
  if (all <= lines) return {};
  return fmt::format("{}-{}/{}", page.scroll + 1, std::min(page.scroll + lines, all), all);
}

void draw_footer(Grid& grid, const Document& document, const Screen& screen, const Setting& setting,
                 int lines) {
  const int y = grid.height() - 1;
  if (screen.prompt != Prompt::None) {
    const std::string_view label = screen.prompt == Prompt::Filter ? "filter: " : "time: ";
    const std::string text = std::string(label) + screen.input;
    // The end of a long input is what is being typed.
    const int columns = columns_of(text, setting.ascii);
    const std::string shown =
        columns < grid.width() - 1 ? text : fit(text, grid.width() - 2, grid.width() - 12);
    const int end = grid.put(0, y, shown, {Tone::Plain, true, false}, grid.width() - 1);
    grid.paint(end, y, 1, {Tone::Plain, false, true});
    grid.put(end + 2, y, screen.message, {Tone::Red, true, false});
    return;
  }
  const std::string where = position(document, screen.page(), lines);
  const int room = static_cast<int>(where.size());
  grid.put_right(grid.width() - room, y, where, room, kQuiet);
  const int left = grid.width() - room - 1;
  if (!screen.message.empty())
    grid.put(0, y, screen.message, {screen.is_error ? Tone::Red : Tone::Green, true, false}, left);
  else if (!setting.warning.empty())
    grid.put(0, y, setting.warning, {Tone::Magenta, true, false}, left);
  else
    grid.put(0, y, hints(screen, setting), kQuiet, left);
}

void draw_page(Grid& grid, const Document& document, const Look& look, const Page& page, int top,
               int lines) {
  const int selected = document.place_of(page.selected);
  for (int i = 0; i < lines; ++i) {
    const auto at = static_cast<std::size_t>(page.scroll + i);
    if (at >= document.lines.size()) break;
    const Line& line = document.lines[at];
    const bool reverse = selected >= 0 && line.item == selected;
    for (const Span& span : spans_of(line, look, grid.width())) {
      if (span.right)
        grid.put_right(span.at, top + i, span.text, span.columns, span.style);
      else
        grid.put(span.at, top + i, span.text, span.style, span.columns);
    }
    if (reverse) {
      // The mark tells it where a terminal cannot show reverse.
      if (static_cast<int>(at) == document.begins[static_cast<std::size_t>(selected)])
        grid.put(1, top + i, ">");
      grid.paint(0, top + i, grid.width(), {Tone::Plain, false, true});
    }
  }
}

}  // namespace

int page_lines(const Look& look, Size size) {
  return std::max(1, size.height - 2 - state_lines(look, size));
}

void settle(const Look& look, const Setting& setting, Size size, Screen& screen) {
  Page& page = screen.page();
  const Document document = document_of(look, screen, setting, size.width, size.height);
  const int lines = page_lines(look, size);
  const int last = std::max(static_cast<int>(document.lines.size()) - lines, 0);
  if (page.selected.kind != Item::None) {
    int place = document.place_of(page.selected);
    if (place < 0 && !document.items.empty()) {
      place = std::clamp(page.place, 0, static_cast<int>(document.items.size()) - 1);
      page.selected = document.items[static_cast<std::size_t>(place)];
    }
    if (place >= 0) {
      const auto at = static_cast<std::size_t>(place);
      page.place = place;
      // With the first item, what stands above it is visible too.
      const int begin = place == 0 ? 0 : document.begins[at];
      if (document.ends[at] - page.scroll > lines) page.scroll = document.ends[at] - lines;
      if (begin < page.scroll) page.scroll = begin;
      if (document.begins[at] >= page.scroll + lines) page.scroll = document.begins[at];
    }
  }
  page.scroll = std::clamp(page.scroll, 0, last);
}

Grid view(const Look& look, const Screen& screen, const Setting& setting, Size size) {
  Grid grid(size.width, size.height, setting.ascii);
  if (size.width < kLeast.width || size.height < kLeast.height) {
    grid.put(0, 0, "The screen is too small.");
    return grid;
  }
  const int lines_of_states = state_lines(look, size);
  const int top = 1 + lines_of_states;
  const int lines = page_lines(look, size);
  draw_title(grid, look, screen, setting);
  draw_states(grid, look, size, 1, lines_of_states);
  const Document document = document_of(look, screen, setting, size.width, size.height);
  draw_page(grid, document, look, screen.page(), top, lines);
  draw_footer(grid, document, screen, setting, lines);
  return grid;
}

}  // namespace tcpdwell::top
