// SPDX-License-Identifier: Apache-2.0
// The first screen: stuck sockets, ports, connections.
#include "top/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::top {
namespace {

constexpr int kIndent = 9;             // below COUNT
constexpr int kTall = 34;              // lines of a screen that has room for longer texts
constexpr std::size_t kFewGroups = 3;  // leave room for one more line each
constexpr int kAllLines = INT32_MAX;   // of the selected one
constexpr Style kSection{Tone::Plain, true, false};

void add_heading(Document& document, Item::Kind row, const Look& look, int width) {
  document.lines.push_back({.spans = heading_of(row, look, width)});
}

void add_row(Document& document, Item item, std::size_t index) {
  const Item::Kind kind = item.kind;
  document.begin_item(std::move(item));
  document.lines.push_back({.row = kind, .index = index});
}

std::string near_text(const Look& look) {
  std::string text;
  for (const Near& near : look.near) {
    text += fmt::format("{}{} in {}", text.empty() ? "" : ", ", format_number(near.sockets),
                        name(near.state));
    if (near.sockets > 0)
      text += fmt::format(" (oldest {}, stuck from {})", format_duration(near.oldest),
                          format_duration(near.threshold));
  }
  return text.empty() ? text : ": " + text;
}

void add_stuck_groups(Document& document, const Look& look, const Screen& screen, int width,
                      int height) {
  if (look.flagged == 0) {
    const bool known = look.whole;
    document.add_wrapped((known ? "nothing is stuck" : "nothing is stuck so far") + near_text(look),
                         width - 1, 0, 2, {Tone::Green});
    return;
  }
  std::string title = "STUCK  " + format_count(look.flagged, "socket") + ", " +
                      format_count(look.stuck.size(), "group");
  if (!screen.filter.empty() && look.flags.size() != look.flagged)
    title += fmt::format(" of {} that match the filter", format_number(look.flags.size()));
  document.sections.push_back(static_cast<int>(document.items.size()));
  document.add(std::move(title), kSection);
  if (look.stuck.empty()) return;
  add_heading(document, Item::Group, look, width);
  const bool tall = height >= kTall;
  const int most = tall ? 4 : look.stuck.size() <= kFewGroups ? 3 : 2;
  for (std::size_t i = 0; i < look.stuck.size(); ++i) {
    const Stuck& stuck = look.stuck[i];
    add_row(document, {Item::Group, stuck.group.key}, i);
    if (tall) document.add_wrapped(stuck.text.what, width - kIndent - 1, kIndent, 3);
    if (tall)
      for (const std::string& line : stuck.where)
        document.add_wrapped(line, width - kIndent - 1, kIndent, 2);
    const bool selected = screen.page().selected == document.items.back();
    document.add_wrapped("next: " + stuck.text.next, width - kIndent - 1, kIndent,
                         selected ? kAllLines : most);
    document.end_item();
  }
}

void add_ports(Document& document, const Look& look, int width) {
  for (const FailedConnectsRecord& failed : look.connects_failed)
    document.add_wrapped(
        fmt::format("! {} by {} in the last minute: {}",
                    format_count(failed.count, "failed connect"),
                    failed.process ? format_process(*failed.process) : "several processes",
                    what_failed(failed.reason)),
        width - 1, 0, 2, {Tone::Red});
  if (look.ports.empty()) {
    if (look.most_used)
      document.add_wrapped(
          fmt::format("ports fine: at most {} of {} are in use to one destination ({})",
                      format_number(look.most_used->used),
                      format_number(look.most_used->capacity()),
                      format_endpoint(look.most_used->remote, look.most_used->site.family)),
          width - 1, 0, 2, {Tone::Green});
    return;
  }
  document.sections.push_back(static_cast<int>(document.items.size()));
  document.add("PORTS  local ports of connect() to one destination", kSection);
  add_heading(document, Item::Port, look, width);
  for (std::size_t i = 0; i < look.ports.size(); ++i) {
    add_row(document, {Item::Port, key_of(look.ports[i])}, i);
    document.end_item();
  }
}

std::string connections_title(const Look& look, const Screen& screen) {
  std::string text = "CONNECTIONS  " + format_number(look.matching);
  if (!screen.filter.empty()) text += " that match";
  if (const auto listeners = look.now[index(State::Listen)]; screen.filter.empty() && listeners > 0)
    text += fmt::format(" and {}", format_count(listeners, "listener"));
  if (screen.by) return text + fmt::format(", by {}", name(*screen.by));
  text += screen.sort == Sort::Age && !screen.reverse
              ? ", oldest in their state first"
              : fmt::format(", by {}{}", name(screen.sort), screen.reverse ? ", descending" : "");
  if (look.rows.size() < look.matching)
    text += fmt::format(" (the first {})", format_number(look.rows.size()));
  return text;
}

void add_connections(Document& document, const Look& look, const Screen& screen, int width) {
  document.sections.push_back(static_cast<int>(document.items.size()));
  document.add(connections_title(look, screen), kSection);
  if (screen.by) {
    add_heading(document, Item::SumOf, look, width);
    for (std::size_t i = 0; i < look.sums.size(); ++i) {
      add_row(document, {Item::SumOf, look.sums[i].key}, i);
      document.end_item();
    }
    return;
  }
  if (look.rows.empty()) return;
  add_heading(document, Item::Connection, look, width);
  for (std::size_t i = 0; i < look.rows.size(); ++i) {
    add_row(document, {Item::Connection, std::to_string(look.rows[i].key)}, i);
    document.end_item();
  }
}

Document list_page(const Look& look, const Screen& screen, int width, int height) {
  Document document;
  add_stuck_groups(document, look, screen, width, height);
  add_ports(document, look, width);
  document.add("");
  add_connections(document, look, screen, width);
  return document;
}

}  // namespace

int Document::place_of(const Item& item) const {
  const auto at = std::find(items.begin(), items.end(), item);
  return item.kind == Item::None || at == items.end() ? -1 : static_cast<int>(at - items.begin());
}

void Document::add(std::string text, Style style, int at) {
  Line line;
  line.spans.push_back({at, std::move(text), style, INT32_MAX});
  lines.push_back(std::move(line));
}

void Document::add_wrapped(std::string_view text, int columns, int at, int most, Style style) {
  std::vector<std::string> wrapped = wrap(text, columns);
  if (static_cast<int>(wrapped.size()) > most) {
    wrapped.resize(static_cast<std::size_t>(most));
    std::string& last = wrapped.back();
    if (columns_of(last, false) >= columns) last = fit(last, columns - 1, 0);
    if (!last.ends_with("…")) last += "…";
  }
  for (std::string& line : wrapped) add(std::move(line), style, at);
}

void Document::begin_item(Item item) {
  items.push_back(std::move(item));
  begins.push_back(static_cast<int>(lines.size()));
  ends.push_back(begins.back());
}

void Document::end_item() {
  const int item = static_cast<int>(items.size()) - 1;
  ends.back() = static_cast<int>(lines.size());
  for (int i = begins.back(); i < ends.back(); ++i) lines[static_cast<std::size_t>(i)].item = item;
}

Document document_of(const Look& look, const Screen& screen, const Setting& setting, int width,
                     int height) {
  switch (screen.page().kind) {
    case Page::List: break;
    case Page::Group: return group_page(look, screen.page(), setting, width);
    case Page::Connection: return connection_page(look, setting, width);
    case Page::Help: return help_page(setting, width);
  }
  return list_page(look, screen, width, height);
}

}  // namespace tcpdwell::top
