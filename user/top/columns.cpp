// SPDX-License-Identifier: Apache-2.0
// The columns of the tables, by the width of the screen.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "model/dwell_order.h"
#include "sinks/stats_text.h"
#include "sinks/text_format.h"
#include "top/document.h"
#include "util/duration.h"

namespace tcpdwell::top {
namespace {

constexpr int kMark = 2;  // "! "
constexpr int kState = 12;
constexpr int kAge = 8;

// Takes columns from the left.
class Columns {
 public:
  Columns(std::vector<Span>& spans, Style style) : spans_(spans), style_(style) {}
  void put(std::string text, int columns, bool right = false) {
    if (columns <= 0) return;
    spans_.push_back({at_, std::move(text), style_, columns, right});
    at_ += columns + 1;
  }

 private:
  std::vector<Span>& spans_;
  Style style_;
  int at_ = 0;
};

// An endpoint keeps its port, and as much of its address as there is room for.
std::string fit_endpoint(const std::string& text, int columns) {
  const auto port = text.size() - std::min(text.rfind(':'), text.size());
  return fit(text, columns, static_cast<int>(port) + (text.front() == '[' ? 1 : 0));
}

// The pid tells processes of one name apart.
std::string fit_process(const std::string& text, int columns) {
  const auto pid = text.size() - std::min(text.rfind('['), text.size());
  return fit(text, columns, static_cast<int>(pid));
}

struct ConnectionColumns {
  int local = 0, peer = 0, owner = 0, service = 0, netns = 0;
};

bool spans_namespaces(const Look& look) {
  std::set<std::uint32_t> seen;
  for (const Row& row : look.rows) seen.insert(row.flow.netns);
  return seen.size() > 1;
}

// Addresses get what they need, as far as there is room; then owner and service.
ConnectionColumns connection_columns(const Look& look, int width) {
  ConnectionColumns columns;
  int room = width - kMark - kAge - 1 - kState - 1;
  if (width >= 100 && spans_namespaces(look)) {
    columns.netns = 10;
    room -= columns.netns + 1;
  }
  columns.owner = width < 80 ? 12 : width < 120 ? 16 : 22;
  room -= columns.owner + 1;
  const bool any_service = std::any_of(look.rows.begin(), look.rows.end(),
                                       [](const Row& row) { return !row.service.empty(); });
  if (width >= 110 && any_service) {
    columns.service = std::clamp(width / 6, 18, 40);
    room -= columns.service + 1;
  }
  const bool ipv6 = std::any_of(look.rows.begin(), look.rows.end(),
                                [](const Row& row) { return row.flow.family == Family::Ipv6; });
  const int most = ipv6 ? 47 : 21;
  columns.local = std::min(most, width < 80 ? 6 : (room - 1) / 2);
  columns.peer = std::min(most, room - 1 - columns.local);
  return columns;
}

Style style_of(const Row& row) { return row.flagged ? Style{Tone::Red} : Style{}; }

void connection_spans(Columns& columns, const Row& row, const Look& look, int width) {
  const ConnectionColumns is = connection_columns(look, width);
  const Flow& flow = row.flow;
  columns.put(row.flagged ? "!" : "", kMark - 1);
  columns.put(format_dwell(row.age), kAge, true);
  columns.put(std::string(name(row.state)), kState);
  columns.put(width < 80 ? ':' + (flow.local.port != 0 ? std::to_string(flow.local.port) : "?")
                         : fit_endpoint(format_endpoint(flow.local, flow.family), is.local),
              is.local);
  const bool listens = row.state == State::Listen;
  columns.put(listens ? "-" : fit_endpoint(format_endpoint(flow.remote, flow.family), is.peer),
              is.peer);
  columns.put(row.owner.empty() ? "-" : fit_process(row.owner, is.owner), is.owner);
  columns.put(row.service.empty() ? "-" : row.service, is.service);
  columns.put(std::to_string(flow.netns), is.netns, true);
}

void connection_heading(Columns& columns, const Look& look, int width) {
  const ConnectionColumns is = connection_columns(look, width);
  columns.put("", kMark - 1);
  columns.put("AGE", kAge, true);
  columns.put("STATE", kState);
  columns.put("LOCAL", is.local);
  columns.put("PEER", is.peer);
  columns.put("OWNER", is.owner);
  columns.put("SERVICE", is.service);
  columns.put("NETNS", is.netns, true);
}

struct GroupColumns {
  int count = 6, state = 12, cause = 13, port = 0, peer = 0, oldest = 8, holder = 0;
};

GroupColumns group_columns(int width) {
  GroupColumns columns;
  int room = width - kMark - columns.count - 1 - columns.state - 1 - columns.cause - 1 -
             columns.oldest - 1;
  if (width >= 76) {
    columns.port = 5;
    room -= columns.port + 1;
    columns.peer = std::min(room / 2 - 1, 47);
    room -= columns.peer + 1;
  }
  columns.holder = std::min(room, 40);
  return columns;
}

std::string oldest_text(const LeakGroup& group) {
  if (!group.certain && group.at_most) return "<" + format_duration(*group.at_most);
  return format_dwell(group.oldest);
}

// The kernel ends these by itself, or their age is not certain.
bool is_unsure(const LeakGroup& group) {
  return !group.certain || group.cause == Cause::Orphaned || group.cause == Cause::ConnectFailed;
}

Style style_of(const LeakGroup& group) {
  return {is_unsure(group) ? Tone::Magenta : Tone::Red, true, false};
}

void group_spans(Columns& columns, const LeakGroup& group, int width) {
  const GroupColumns is = group_columns(width);
  columns.put(is_unsure(group) ? "?" : "!", kMark - 1);
  columns.put(format_number(group.count), is.count, true);
  columns.put(state_text(group), is.state);
  columns.put(cause_text(group.cause), is.cause);
  columns.put(group.local_port != 0 ? std::to_string(group.local_port) : "any", is.port, true);
  columns.put(fit_endpoint(peer_text(group), std::max(is.peer, 1)), is.peer);
  columns.put(oldest_text(group), is.oldest, true);
  columns.put(fit_process(holder_text(group), std::max(is.holder, 1)), is.holder);
}

void group_heading(Columns& columns, int width) {
  const GroupColumns is = group_columns(width);
  columns.put("", kMark - 1);
  columns.put("COUNT", is.count, true);
  columns.put("STATE", is.state);
  columns.put("CAUSE", is.cause);
  columns.put("PORT", is.port, true);
  columns.put("PEER", is.peer);
  columns.put("OLDEST", is.oldest, true);
  columns.put("HOLDER", is.holder);
}

struct PortColumns {
  int from = 0, to = 0, used = 17, percent = 4, forecast = 0;
};

PortColumns port_columns(int width) {
  PortColumns columns;
  int room = width - kMark - columns.used - 1 - columns.percent - 1;
  columns.forecast = width < 80 ? 0 : std::clamp(room / 3, 22, 44);
  room -= columns.forecast + 1;
  columns.from = width < 80 ? 0 : std::min(room / 2 - 1, 39);
  room -= columns.from + 1;
  columns.to = std::min(room, 47);
  return columns;
}

void port_spans(Columns& columns, const PortUse& use, int width) {
  const PortColumns is = port_columns(width);
  const std::uint32_t capacity = use.capacity();
  columns.put(is_urgent(use) ? "!" : "", kMark - 1);
  columns.put(fit(format_address({use.site.local, 0}, use.site.family), std::max(is.from, 1), 4),
              is.from);
  columns.put(fit_endpoint(format_endpoint(use.remote, use.site.family), is.to), is.to);
  columns.put(format_number(use.used) + " of " + format_number(capacity), is.used, true);
  columns.put(fmt::format("{}%", capacity == 0 ? 100 : std::uint64_t{use.used} * 100 / capacity),
              is.percent, true);
  columns.put(forecast_text(use, false), is.forecast);
}

void port_heading(Columns& columns, int width) {
  const PortColumns is = port_columns(width);
  columns.put("", kMark - 1);
  columns.put("FROM", is.from);
  columns.put("TO", is.to);
  columns.put("PORTS IN USE", is.used, true);
  columns.put("", is.percent);
  columns.put("FORECAST", is.forecast);
}

struct SumColumns {
  int name = 0, all = 9, stuck = 7, oldest = 8, states = 0;
};

SumColumns sum_columns(int width) {
  SumColumns columns;
  int room = width - kMark - columns.all - 1 - columns.stuck - 1 - columns.oldest - 1;
  columns.name = std::clamp(room / 2, 16, 48);
  columns.states = room - columns.name - 1;
  return columns;
}

// Most connections first.
std::string states_of(const Sum& sum) {
  std::vector<std::pair<std::uint64_t, State>> order;
  for (const State state : kDwellOrder)
    if (sum.now[index(state)] != 0) order.emplace_back(sum.now[index(state)], state);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (const auto& [count, state] : order)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name(state), format_number(count));
  return text;
}

void sum_spans(Columns& columns, const Sum& sum, int width) {
  const SumColumns is = sum_columns(width);
  columns.put(sum.flagged != 0 ? "!" : "", kMark - 1);
  columns.put(fit(sum.text, is.name, is.name / 2), is.name);
  columns.put(format_number(sum.all), is.all, true);
  columns.put(format_number(sum.flagged), is.stuck, true);
  columns.put(format_duration(sum.oldest), is.oldest, true);
  columns.put(states_of(sum), is.states);
}

void sum_heading(Columns& columns, int width) {
  const SumColumns is = sum_columns(width);
  columns.put("", kMark - 1);
  columns.put("NAME", is.name);
  columns.put("SOCKETS", is.all, true);
  columns.put("STUCK", is.stuck, true);
  columns.put("OLDEST", is.oldest, true);
  columns.put("STATES", is.states);
}

void member_spans(Columns& columns, const FlagRecord& flag, int width) {
  const int room = width - kMark - kAge - 1 - 17;
  const int each = std::min(47, (room - 1) / 2);
  const Flow& flow = flag.socket.flow;
  columns.put("", kMark - 1);
  columns.put(format_dwell(flag.dwell), kAge, true);
  columns.put(fit_endpoint(format_endpoint(flow.local, flow.family), each), each);
  columns.put(fit_endpoint(format_endpoint(flow.remote, flow.family), each), each);
  columns.put(flag.socket.owner ? fit_process(format_process(flag.socket.owner->process), 16) : "-",
              16);
}

void member_heading(Columns& columns, int width) {
  const int room = width - kMark - kAge - 1 - 17;
  const int each = std::min(47, (room - 1) / 2);
  columns.put("", kMark - 1);
  columns.put("AGE", kAge, true);
  columns.put("LOCAL", each);
  columns.put("PEER", each);
  columns.put("OWNER", 16);
}

}  // namespace

std::vector<Span> spans_of(const Line& line, const Look& look, int width) {
  std::vector<Span> spans;
  const std::size_t i = line.index;
  switch (line.row) {
    case Item::None: return line.spans;
    case Item::Connection: {
      Columns columns(spans, style_of(look.rows[i]));
      connection_spans(columns, look.rows[i], look, width);
      break;
    }
    case Item::Group: {
      Columns columns(spans, style_of(look.stuck[i].group));
      group_spans(columns, look.stuck[i].group, width);
      break;
    }
    case Item::Port: {
      Columns columns(spans, {is_urgent(look.ports[i]) ? Tone::Red : Tone::Magenta});
      port_spans(columns, look.ports[i], width);
      break;
    }
    case Item::SumOf: {
      Columns columns(spans, {look.sums[i].flagged != 0 ? Tone::Red : Tone::Plain});
      sum_spans(columns, look.sums[i], width);
      break;
    }
    case Item::Member: {
      Columns columns(spans, {});
      member_spans(columns, look.flags[i], width);
      break;
    }
  }
  return spans;
}

std::vector<Span> heading_of(Item::Kind row, const Look& look, int width) {
  std::vector<Span> spans;
  Columns columns(spans, {Tone::Cyan});
  switch (row) {
    case Item::None: break;
    case Item::Connection: connection_heading(columns, look, width); break;
    case Item::Group: group_heading(columns, width); break;
    case Item::Port: port_heading(columns, width); break;
    case Item::SumOf: sum_heading(columns, width); break;
    case Item::Member: member_heading(columns, width); break;
  }
  return spans;
}

}  // namespace tcpdwell::top
