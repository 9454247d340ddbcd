// SPDX-License-Identifier: Apache-2.0
// Groups of stuck sockets: how they grew, and what `leaks` says of them.
#include <fmt/format.h>

#include <algorithm>

#include "report/findings.h"
#include "report/html.h"
#include "report/pictures.h"
#include "report/svg.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kMostCurves = 6, kMostGroups = 50;

std::string draw_growth(const Canvas& canvas, const ReportData& data, const Growth& growth) {
  std::uint64_t highest = 1;
  for (const std::uint64_t count : growth.entered) highest = std::max(highest, count);
  for (const std::uint64_t count : growth.past) highest = std::max(highest, count);
  const double most = round_up(static_cast<double>(highest));
  const auto curve = [&](const std::vector<std::uint64_t>& counts) {
    return steps(canvas, data, counts.size(), [&](std::size_t i) {
      return canvas.y_end() - canvas.plot_height() * static_cast<double>(counts[i]) / most;
    });
  };
  const std::string style = state_class(growth.example.state);
  const std::string past = curve(growth.past);
  const std::string closed = 'M' + number(canvas.left) + ' ' + number(canvas.y_end()) + 'L' + past +
                             'V' + number(canvas.y_end()) + 'Z';
  std::string text = count_axis(canvas, most);
  text += fmt::format("<path class=\"area s-{}\" d=\"{}\"/>", style, closed);
  text += fmt::format("<path fill=\"url(#p-{})\" d=\"{}\"/>\n", style, closed);
  text += fmt::format("<path class=\"curve dashed\" d=\"M{}\"/>\n", curve(growth.entered));
  text += fmt::format("<path class=\"curve\" d=\"M{}\"/>\n", past);
  return text + time_axis(canvas, data);
}

std::string curve_figure(const ReportData& data, std::size_t place) {
  const Growth& growth = data.growth[place];
  const std::string title = growth_title(growth);
  Canvas wide = card_canvas(std::min(data.growth.size(), kMostCurves));
  wide.height = 220;
  Canvas narrow = kNarrow;
  narrow.height = 220;
  return fmt::format(
      "<div class=\"card\" id=\"growth-{}\"><h3>{} {}</h3>\n<p>{}</p>\n{}<p class=\"note\">Area: "
      "for longer than {}. Dashed: also those that had not been there for so long yet.</p></div>\n",
      place, swatch(growth.example.state), html(title), growth_sentence(data, growth),
      drawn_twice("How many sockets were stuck over time: " + title, wide, narrow,
                  [&](const Canvas& canvas) { return draw_growth(canvas, data, growth); }),
      round_duration(growth.threshold));
}

// "≥1m02s", or "at most 5s" where only that is known.
std::string oldest_text(const LeakGroup& group) {
  if (!group.certain && group.at_most) return "at most " + format_duration(*group.at_most);
  return format_dwell(group.oldest);
}

std::string group_card(const StuckGroup& stuck, std::size_t place) {
  const LeakGroup& group = stuck.group;
  std::string facts;
  const auto fact = [&](const char* name, const std::string& value) {
    facts += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, html(value));
  };
  fact("sockets", format_number(group.count));
  fact("cause", cause_text(group.cause));
  fact("local port", group.local_port != 0 ? std::to_string(group.local_port) : "any");
  fact("peer", peer_text(group));
  fact("oldest", oldest_text(group));
  fact("median", format_dwell(group.median));
  fact("held by", holder_text(group));
  if (!stuck.service.empty()) fact("service", stuck.service);
  std::string where;
  for (const std::string& line : stuck.where) where += "<code>" + html(line) + "</code>\n";
  if (!where.empty()) where = "<div class=\"where\">" + where + "</div>";
  return fmt::format(
      "<div class=\"card\" id=\"group-{}\"><h3>{} {} in {}</h3>\n<dl class=\"facts\">{}</dl>\n"
      "<p>{}</p>\n{}<p class=\"next\"><b>Next:</b> {}</p></div>\n",
      place, swatch(group.state), format_count(group.count, "socket"), html(state_text(group)),
      facts, html(sentence(stuck.text.what)), where, html(stuck.text.next));
}

std::string groups_table(const ReportData& data) {
  Table table("Stuck sockets at the end", {{"state"},
                                           {"sockets", true},
                                           {"cause"},
                                           {"local port", true},
                                           {"peer"},
                                           {"oldest", true},
                                           {"median", true},
                                           {"held by"}});
  for (const StuckGroup& stuck : data.stuck) {
    const LeakGroup& group = stuck.group;
    table.row({html(state_text(group)), format_number(group.count), html(cause_text(group.cause)),
               group.local_port != 0 ? std::to_string(group.local_port) : "any",
               html(peer_text(group)), html(oldest_text(group)), html(format_dwell(group.median)),
               html(holder_text(group))});
  }
  return table.is_empty() ? "" : table.text();
}

std::string growth_table(const ReportData& data) {
  Table table("Groups of sockets that were stuck at some time", {{"group"},
                                                                 {"flagged in all", true},
                                                                 {"most at once", true},
                                                                 {"at the end", true},
                                                                 {"first entered"},
                                                                 {"last flagged"}});
  for (const Growth& growth : data.growth)
    table.row({html(growth_title(growth)), format_number(growth.raised), format_number(growth.most),
               format_number(growth.open), clock_text(data.when(growth.first_entered), true),
               clock_text(data.when(growth.last_raised), true)});
  return table.is_empty() ? "" : table.text();
}

}  // namespace

std::string stuck_picture(const ReportData& data) {
  if (data.growth.empty() && data.stuck.empty()) return "";
  std::string curves, groups;
  for (std::size_t i = 0; i < std::min(data.growth.size(), kMostCurves); ++i)
    curves += curve_figure(data, i);
  for (std::size_t i = 0; i < std::min(data.stuck.size(), kMostGroups); ++i)
    groups += group_card(data.stuck[i], i);
  std::string notes;
  if (data.growth.size() > kMostCurves)
    notes += fmt::format("{} have no curve of their own here; the numbers below have all. ",
                         format_count(data.growth.size() - kMostCurves, "further group"));
  if (data.stuck.size() > kMostGroups)
    notes += fmt::format("{} are in the numbers below only. ",
                         format_count(data.stuck.size() - kMostGroups, "further group"));
  notes += "Causes, holders and advice are as of when each socket was flagged.";
  return section(
      {.id = "stuck",
       .title = "Stuck sockets",
       .lead = "Each curve counts the sockets of one holder and cause that passed the threshold "
               "at some time: dashed from when they entered the state, as an area from when they "
               "passed it.",
       .body =
           "<div class=\"cards\">" + curves + "</div>\n<div class=\"cards\">" + groups + "</div>\n",
       .notes = notes,
       .table = groups_table(data) + growth_table(data)});
}

}  // namespace tcpdwell::reporting
