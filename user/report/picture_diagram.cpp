// SPDX-License-Identifier: Apache-2.0
// The state diagram of RFC 9293, with arrows as wide as they were used.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/dwell_order.h"
#include "report/html.h"
#include "report/pictures.h"
#include "report/svg.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

// Where the number of lives that ended in a state stands below its box: where no arrow begins.
enum class Below : std::uint8_t { Left, Middle, Right };

struct Node {
  State state;
  int x, y;  // its centre
  Below ended = Below::Middle;
};
constexpr int kHalfWidth = 84, kHalfHeight = 27;
constexpr Node kNodes[] = {
    {State::Closed, 480, 40},
    {State::Listen, 170, 130, Below::Left},
    {State::SynSent, 790, 130, Below::Right},
    {State::SynReceived, 170, 250, Below::Left},
    {State::Established, 480, 250},
    {State::FinWait1, 170, 370, Below::Left},
    {State::CloseWait, 790, 370, Below::Left},
    {State::FinWait2, 170, 490, Below::Left},
    {State::Closing, 480, 490, Below::Right},
    {State::LastAck, 790, 490},
    {State::TimeWait, 325, 610},
};

// The arrows of the RFC but for the ends, which are numbers at the states.
struct Arrow {
  State from, to;
};
constexpr Arrow kArrows[] = {
    {State::Closed, State::Listen},         {State::Closed, State::SynSent},
    {State::Listen, State::SynReceived},    {State::SynSent, State::Established},
    {State::SynSent, State::SynReceived},   {State::SynReceived, State::Established},
    {State::SynReceived, State::FinWait1},  {State::Established, State::FinWait1},
    {State::Established, State::CloseWait}, {State::FinWait1, State::FinWait2},
    {State::FinWait1, State::Closing},      {State::FinWait1, State::TimeWait},
    {State::FinWait2, State::TimeWait},     {State::Closing, State::TimeWait},
    {State::CloseWait, State::LastAck},
};

const Node& node_of(State state) {
  return *std::find_if(std::begin(kNodes), std::end(kNodes),
                       [&](const Node& node) { return node.state == state; });
}

std::uint64_t count_of(const ReportData& data, State from, State to) {
  return data.edges[index(from)][index(to)];
}

std::uint64_t now_in(const ReportData& data, State state) {
  const auto row = std::find_if(data.stats.rows.begin(), data.stats.rows.end(),
                                [&](const StatsRow& each) { return each.state == state; });
  return row == data.stats.rows.end() ? 0 : row->now;
}

// Where the line from the centre of `node` towards (x, y) leaves its box.
std::pair<double, double> border(const Node& node, double x, double y) {
  const double dx = x - node.x, dy = y - node.y;
  const double scale = std::max(std::abs(dx) / (kHalfWidth + 3), std::abs(dy) / (kHalfHeight + 3));
  return {node.x + dx / scale, node.y + dy / scale};
}

std::string draw_arrow(const ReportData& data, const Arrow& arrow, double most) {
  const Node &a = node_of(arrow.from), &b = node_of(arrow.to);
  const std::uint64_t count = count_of(data, arrow.from, arrow.to);
  const auto [x1, y1] = border(a, b.x, b.y);
  const auto [x2, y2] = border(b, a.x, a.y);
  if (count == 0) return line(x1, y1, x2, y2, "unused");
  const double width = 1.5 + 9 * std::sqrt(static_cast<double>(count) / most);
  const double length = std::hypot(x2 - x1, y2 - y1), head = width + 7;
  const double ux = (x2 - x1) / length, uy = (y2 - y1) / length;
  const double bx = x2 - ux * head, by = y2 - uy * head;
  const double side = width / 2 + 4;
  std::string text = fmt::format(
      "<path class=\"arrow\" stroke-width=\"{}\" d=\"M{} {}L{} {}\"/><path class=\"head\" "
      "d=\"M{} {}L{} {}L{} {}Z\"/>\n",
      number(width), number(x1), number(y1), number(bx + ux), number(by + uy), number(x2),
      number(y2), number(bx - uy * side), number(by + ux * side), number(bx + uy * side),
      number(by - ux * side));
  // Beside its middle: above it, or to the right of an upright one.
  const bool upright = std::abs(ux) < 0.2;
  const double off = width / 2 + (upright ? 7 : 9);
  const double nx = upright ? 1 : (ux > 0 ? uy : -uy), ny = upright ? 0 : -std::abs(ux);
  text +=
      text_at((x1 + x2) / 2 + nx * off, (y1 + y2) / 2 + ny * off + (upright ? 4 : 0),
              format_number(count), "count", nx > 0.3 ? "start" : (nx < -0.3 ? "end" : "middle"));
  return text;
}

std::string draw_node(const ReportData& data, const Node& node) {
  const StateUse& use = data.states[index(node.state)];
  const std::string style = state_class(node.state);
  const int x = node.x - kHalfWidth, y = node.y - kHalfHeight;
  std::string text = fmt::format(
      "<rect class=\"node\" x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" rx=\"8\"/>"
      "<rect class=\"s-{4}\" x=\"{0}\" y=\"{1}\" width=\"10\" height=\"{3}\" rx=\"4\"/>"
      "<rect fill=\"url(#p-{4})\" x=\"{0}\" y=\"{1}\" width=\"10\" height=\"{3}\" rx=\"4\"/>\n",
      x, y, 2 * kHalfWidth, 2 * kHalfHeight, style);
  text += text_at(node.x + 4, node.y - 4, name(node.state), "state", "middle");
  if (node.state == State::Closed) {
    text += text_at(node.x + 4, node.y + 15, "a life begins", "", "middle");
    return text;
  }
  const std::uint64_t now = now_in(data, node.state);
  std::string dwell = now == 0 ? "none" : format_number(now) + " now";
  if (use.dwells.count() != 0)
    dwell = "median " + format_duration(use.dwells.percentile(0.5));
  else if (use.left != 0)
    dwell = "inexact";
  text += text_at(node.x + 4, node.y + 15, dwell, "", "middle");
  if (const std::uint64_t ended = count_of(data, node.state, State::Closed); ended != 0) {
    const std::string number = "ended: " + format_number(ended);
    const double y_below = node.y + kHalfHeight + 15;
    switch (node.ended) {
      case Below::Left: text += text_at(x + 2, y_below, number); break;
      case Below::Middle: text += text_at(node.x, y_below, number, "", "middle"); break;
      case Below::Right: text += text_at(node.x + kHalfWidth, y_below, number, "", "end"); break;
    }
  }
  return text;
}

std::string draw_diagram(const ReportData& data) {
  std::uint64_t most = 1;
  for (const Arrow& arrow : kArrows) most = std::max(most, count_of(data, arrow.from, arrow.to));
  std::string text;
  for (const Arrow& arrow : kArrows) text += draw_arrow(data, arrow, static_cast<double>(most));
  for (const Node& node : kNodes) text += draw_node(data, node);
  return text;
}

bool is_drawn(State from, State to) {
  return to == State::Closed ||
         std::any_of(std::begin(kArrows), std::end(kArrows),
                     [&](const Arrow& arrow) { return arrow.from == from && arrow.to == to; });
}

std::string edge_numbers(const ReportData& data, bool& others) {
  Table table("Transitions", {{"from"}, {"to"}, {"how often", true}});
  for (std::size_t from = 1; from < kStates; ++from)
    for (std::size_t to = 1; to < kStates; ++to) {
      const auto a = static_cast<State>(from), b = static_cast<State>(to);
      if (data.edges[from][to] == 0) continue;
      others = others || !is_drawn(a, b);
      table.row({std::string(name(a)), std::string(name(b)), format_number(data.edges[from][to])});
    }
  return table.is_empty() ? "" : table.text();
}

}  // namespace

std::string diagram_picture(const ReportData& data) {
  bool others = false;
  const std::string table = edge_numbers(data, others);
  return section(
      {.id = "diagram",
       .title = "Ways through the states",
       .lead = "The state diagram of RFC 9293. Arrows are as wide as they were used (the width "
               "goes with the square root); dashed ones were not.",
       .body = fmt::format(
           "<figure><div class=\"scroll whole\" tabindex=\"0\" role=\"region\" aria-label=\"State "
           "diagram\"><svg class=\"diagram\" viewBox=\"70 0 820 652\" role=\"img\" "
           "aria-label=\"State diagram with the number of "
           "transitions\">\n{}</svg></div></figure>\n",
           draw_diagram(data)),
       .notes = others ? "Transitions that the diagram does not have are in the numbers: an event "
                         "between them was not seen."
                       : "",
       .table = table});
}

}  // namespace tcpdwell::reporting
