// SPDX-License-Identifier: Apache-2.0
#include "top/controls.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <utility>

#include "sinks/text_format.h"
#include "top/document.h"

namespace tcpdwell::top {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLongestInput = 400;
constexpr Nanos kStep = 1s, kLongStep = 60s;

// The command of a next step, which is behind its last colon; without one, the step.
std::string command_of(const std::string& next) {
  const auto colon = next.rfind(": ");
  return colon == std::string::npos ? next : next.substr(colon + 2);
}

std::uint64_t number_of(const std::string& text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void erase_last_character(std::string& text) {
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0U) == 0x80)
    text.pop_back();
  if (!text.empty()) text.pop_back();
}

const Stuck* find_stuck(const Look& look, const std::string& key) {
  const auto at = std::find_if(look.stuck.begin(), look.stuck.end(),
                               [&](const Stuck& stuck) { return stuck.group.key == key; });
  return at == look.stuck.end() ? nullptr : &*at;
}

std::string ends_text(const Flow& flow) {
  return format_endpoint(flow.local, flow.family) + ' ' + format_endpoint(flow.remote, flow.family);
}

}  // namespace

void Controls::ask() {
  const Page& page = screen_.page();
  if (auto match = parse_(screen_.filter)) match_ = std::move(*match);
  Question question{.query = {.match = match_,
                              .sort = screen_.sort,
                              .reverse = screen_.reverse,
                              .by = screen_.by},
                    .keep_order = false,
                    .watched = std::nullopt};
  // The lines below an open page do not move either.
  question.keep_order =
      std::any_of(screen_.pages.begin(), screen_.pages.end(),
                  [](const Page& each) { return each.selected.kind != Item::None; });
  if (page.kind == Page::Connection)
    question.watched = page.of.kind == Item::Connection
                           ? Watched{.connection = number_of(page.of.key), .flag = {}}
                           : Watched{.connection = std::nullopt, .flag = page.of.key};
  model_.freeze(screen_.frozen && !setting_.replay);
  model_.ask(std::move(question));
}

Wish Controls::press(const Key& key, Size size) {
  Wish wish;
  screen_.message.clear();
  if (key.code == Key::Interrupt) {
    wish.quit = true;
  } else if (key.code == Key::Suspend) {
    wish.suspend = true;
  } else if (key.code == Key::Redraw) {
    wish.redraw = true;
  } else if (screen_.prompt != Prompt::None) {
    prompt_key(key, wish);
  } else if (key.code == Key::Text) {
    if (key.is('j'))
      move(1, size);
    else if (key.is('k'))
      move(-1, size);
    else
      text_key(key, wish);
  } else {
    list_key(key, size, wish);
  }
  return wish;
}

void Controls::list_key(const Key& key, Size size, Wish& wish) {
  const int page = std::max(page_lines(model_.look(), size) - 2, 1);
  switch (key.code) {
    case Key::Up: return move(-1, size);
    case Key::Down: return move(1, size);
    case Key::PageUp: return move(-page, size);
    case Key::PageDown: return move(page, size);
    case Key::Home: return move(-INT_MAX / 2, size);
    case Key::End: return move(INT_MAX / 2, size);
    case Key::Tab: return move_to_section(size);
    case Key::Enter: return open_selected();
    case Key::Escape: return leave();
    case Key::Left:
    case Key::Right:
      if (setting_.replay)
        wish.step = key.code == Key::Left ? -kStep : kStep;
      else
        screen_.say("the past is in a recording: tcpdwell replay FILE top");
      return;
    default: return;
  }
}

void Controls::text_key(const Key& key, Wish& wish) {
  if (key.is('q')) {
    wish.quit = true;
  } else if (key.is('?')) {
    if (screen_.page().kind != Page::Help) screen_.pages.push_back({.kind = Page::Help});
  } else if (key.is('y')) {
    copy(wish);
  } else if (key.is(' ') && !setting_.replay) {
    screen_.frozen = !screen_.frozen;
    ask();
  } else if (setting_.replay && (key.is('[') || key.is(']'))) {
    wish.step = key.is('[') ? -kLongStep : kLongStep;
  } else if (setting_.replay && (key.is('T') || key.is('t'))) {
    screen_.prompt = Prompt::Time;
    screen_.input.clear();
  } else if (screen_.page().kind != Page::List) {
    return;
  } else if (key.is('/')) {
    screen_.prompt = Prompt::Filter;
    screen_.input = screen_.filter;
  } else if (key.is('s')) {
    next_sort();
  } else if (key.is('S')) {
    screen_.reverse = !screen_.reverse;
    screen_.page().selected = {};
    ask();
  } else if (key.is('g')) {
    next_by();
  }
}

void Controls::prompt_key(const Key& key, Wish& wish) {
  switch (key.code) {
    case Key::Text:
      if (screen_.input.size() < kLongestInput) screen_.input += key.text;
      return;
    case Key::Backspace: return erase_last_character(screen_.input);
    case Key::Clear: return screen_.input.clear();
    case Key::Escape: screen_.prompt = Prompt::None; return;
    case Key::Enter: break;
    default: return;
  }
  if (screen_.prompt == Prompt::Filter) return set_filter(screen_.input);
  screen_.prompt = Prompt::None;
  if (!screen_.input.empty()) wish.time = screen_.input;
}

void Controls::set_filter(const std::string& text) {
  const auto match = parse_(text);
  if (!match) {  // the prompt stays, to be corrected
    screen_.say(match.error().text(), true);
    screen_.prompt = Prompt::Filter;
    return;
  }
  screen_.prompt = Prompt::None;
  screen_.filter = text;
  screen_.page().selected = {};
  screen_.page().scroll = 0;
  ask();
}

void Controls::move(int by, Size size) {
  Page& page = screen_.page();
  const Document document = document_of(model_.look(), screen_, setting_, size.width, size.height);
  if (document.items.empty()) {
    page.scroll = static_cast<int>(std::clamp<long>(long{page.scroll} + by, 0, INT_MAX / 4));
    return;
  }
  const bool was_selected = page.selected.kind != Item::None;
  const int last = static_cast<int>(document.items.size()) - 1;
  const int place = was_selected ? std::max(document.place_of(page.selected), 0) : by < 0 ? 1 : -1;
  page.place = static_cast<int>(std::clamp<long>(long{place} + by, 0, last));
  page.selected = document.items[static_cast<std::size_t>(page.place)];
  if (!was_selected) ask();  // from now on the lines keep their order
}

void Controls::move_to_section(Size size) {
  Page& page = screen_.page();
  const Document document = document_of(model_.look(), screen_, setting_, size.width, size.height);
  if (document.items.empty() || document.sections.empty()) return;
  const bool was_selected = page.selected.kind != Item::None;
  const int place = was_selected ? document.place_of(page.selected) : -1;
  const auto next = std::find_if(document.sections.begin(), document.sections.end(),
                                 [&](int first) { return first > place; });
  const int target = next == document.sections.end() ? document.sections.front() : *next;
  page.place = std::min(target, static_cast<int>(document.items.size()) - 1);
  page.selected = document.items[static_cast<std::size_t>(page.place)];
  if (!was_selected) ask();
}

void Controls::open_selected() {
  const Item item = screen_.page().selected;
  switch (item.kind) {
    case Item::None:
      if (screen_.page().kind == Page::List) screen_.say("select a line first: ↑ ↓");
      return;
    case Item::Group: screen_.pages.push_back({.kind = Page::Group, .of = item}); break;
    case Item::Connection:
    case Item::Member: screen_.pages.push_back({.kind = Page::Connection, .of = item}); break;
    case Item::Port: {
      const auto& ports = model_.look().ports;
      const auto at = std::find_if(ports.begin(), ports.end(),
                                   [&](const PortUse& use) { return key_of(use) == item.key; });
      if (at != ports.end()) set_filter(format_endpoint(at->remote, at->site.family));
      return;
    }
    case Item::SumOf: {
      const auto& sums = model_.look().sums;
      const auto at = std::find_if(sums.begin(), sums.end(),
                                   [&](const Sum& sum) { return sum.key == item.key; });
      if (at == sums.end() || at->word.empty())
        return screen_.say("no filter finds these connections alone");
      screen_.by.reset();
      set_filter(screen_.filter.empty() ? at->word : screen_.filter + ' ' + at->word);
      return;
    }
  }
  ask();
}

// One step back for each press.
void Controls::leave() {
  if (screen_.pages.size() > 1) {
    screen_.pages.pop_back();
  } else if (screen_.page().selected.kind != Item::None) {
    screen_.page().selected = {};
    screen_.page().scroll = 0;
  } else if (screen_.by) {
    screen_.by.reset();
  } else if (!screen_.filter.empty()) {
    screen_.filter.clear();
  } else {
    return screen_.say("q quits");
  }
  ask();
}

void Controls::next_by() {
  const std::size_t next = screen_.by ? static_cast<std::size_t>(*screen_.by) + 1 : 0;
  screen_.by = next < kBys.size() ? std::optional(kBys[next]) : std::nullopt;
  screen_.page().selected = {};
  ask();
}

void Controls::next_sort() {
  screen_.sort = kSorts[(static_cast<std::size_t>(screen_.sort) + 1) % kSorts.size()];
  screen_.page().selected = {};
  ask();
}

std::string Controls::copied() const {
  const Look& look = model_.look();
  const Page& page = screen_.page();
  if (page.kind == Page::Connection && look.detail)
    return look.detail->stuck ? command_of(look.detail->stuck->text.next)
                              : ends_text(look.detail->socket.flow);
  const Item& item =
      page.kind == Page::Group && page.selected.kind == Item::None ? page.of : page.selected;
  switch (item.kind) {
    case Item::None: return {};
    case Item::Group: {
      const Stuck* stuck = find_stuck(look, item.key);
      return stuck != nullptr ? command_of(stuck->text.next) : std::string();
    }
    case Item::Connection:
      for (const Row& row : look.rows)
        if (row.key == number_of(item.key)) return ends_text(row.flow);
      return {};
    case Item::Member:
      for (const FlagRecord& flag : look.flags)
        if (key_of(flag) == item.key) return ends_text(flag.socket.flow);
      return {};
    case Item::Port:
    case Item::SumOf: break;
  }
  return item.key;
}

void Controls::copy(Wish& wish) {
  wish.copy = copied();
  screen_.say(wish.copy.empty() ? "select a line first: ↑ ↓"
                                : "copied, if this terminal allows it: " + wish.copy);
}

}  // namespace tcpdwell::top
