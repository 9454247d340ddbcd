// SPDX-License-Identifier: Apache-2.0
#include "sinks/leak_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sinks/explain.h"
#include "sinks/screen.h"
#include "sinks/text_table.h"
#include "sinks/text_wrap.h"
#include "sinks/where_text.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kIndent = "       ";  // below COUNT's numbers

std::string port_text(const LeakGroup& group) {
  return group.local_port != 0 ? std::to_string(group.local_port) : "any";
}

bool is_orphaned(const LeakGroup& group) { return group.cause == Cause::Orphaned; }
bool has_failed(const LeakGroup& group) { return group.cause == Cause::ConnectFailed; }

// If only the upper bound of the age passes the threshold, print that one.
std::string oldest_text(const LeakGroup& group) {
  if (!group.certain && group.at_most) return "at most " + format_duration(*group.at_most);
  return format_dwell(group.oldest);
}

// "12 in CLOSE_WAIT, the oldest ≥3.2s, 1 of unknown age"
std::string watched_text(const WatchedState& state) {
  std::string text = state.kind == FlagKind::Accept
                         ? fmt::format("{} in accept queues", state.sockets)
                         : fmt::format("{} in {}", state.sockets, name(state.state));
  if (state.oldest.count() > 0)
    text += fmt::format(", the oldest ≥{}", format_duration(state.oldest));
  if (state.unknown_age > 0) text += fmt::format(", {} of unknown age", state.unknown_age);
  return text;
}

// The states below their thresholds: ": 12 in CLOSE_WAIT, the oldest ≥3.2s; 0 in accept queues"
std::string nearly_text(std::span<const WatchedState> watched) {
  std::string text;
  for (const WatchedState& state : watched)
    text += (text.empty() ? ": " : "; ") + watched_text(state);
  return text;
}

std::string title(const LeakGroup& group) {
  std::string text = state_text(group);
  if (group.cause != Cause::None) text += ' ' + cause_text(group.cause);
  if (group.local_port != 0) text += " on port " + std::to_string(group.local_port);
  text += ", peer " + peer_text(group);
  if (const std::string holder = holder_text(group); holder != "-") text += ", " + holder;
  return text;
}

}  // namespace

void LeakReport::add(const FlagRecord& flag) {
  if (flag.raised) flags_.add(flag);
}

void LeakReport::print(const When& when, std::span<const WatchedState> watched) {
  std::vector<LeakGroup> groups = group_leaks(flags_.all());
  for (LeakGroup& group : groups) group.filtered = style_.filtered;
  leaked_ = std::any_of(flags_.all().begin(), flags_.all().end(), is_leak);
  Memory now;
  for (const LeakGroup& group : groups) {
    now[without_age(group.key)].count += group.count;
    if (group.key != group.wider_key) {
      now[group.wider_key].count += group.count;
      now[without_age(group.wider_key)].count += group.count;
    }
    // A group of unknown age is not reported as gone once its age is known.
    now[group.key] = {group.count, group.certain ? title(group) : "", group.wider_key};
  }
  if (!groups.empty()) print_groups(groups, now, when.mono - last_);
  print_gone(now);
  print_summary(groups, when, watched);
  flags_.clear();
  memory_ = std::move(now);
  last_ = when.mono;
  first_ = false;
}

// Of the sockets whose ages are certain and of the others together: it stands in one line.
std::string LeakReport::growth(const LeakGroup& group, const Memory& now, Nanos elapsed) const {
  const auto sum_now = now.find(without_age(group.key));
  if (!group.certain && sum_now->second.count != group.count) return "";
  const auto before = memory_.find(without_age(group.key));
  if (before == memory_.end()) {
    // In the last round its peer may have been part of a wider group.
    const auto wider = memory_.find(group.wider_key);
    return wider != memory_.end() && !wider->second.shown.empty() ? "?" : "new";
  }
  if (elapsed.count() <= 0) return "?";
  const double more =
      static_cast<double>(sum_now->second.count) - static_cast<double>(before->second.count);
  const double minutes = std::chrono::duration<double, std::ratio<60>>(elapsed).count();
  return fmt::format("{:+.1f}/min", more / minutes);
}

void LeakReport::print_groups(std::vector<LeakGroup> groups, const Memory& now, Nanos elapsed) {
  const LeftOut left = arrange(groups, view_);
  const std::size_t width = columns_of(style_.screen);
  for (const LeakGroup& group : groups) places_.see(group.netns, group.cgroup);
  std::vector<TextTable::Column> columns = {{.title = "COUNT", .right = true}};
  if (!first_) columns.push_back({.title = "PER MIN", .right = true});
  columns.push_back({.title = "STATE"});
  columns.push_back({.title = "CAUSE"});
  columns.push_back({.title = "LOCAL PORT", .right = true, .short_title = "PORT"});
  columns.push_back({.title = "PEER", .goes = 2, .moves = true});
  columns.push_back({.title = "OLDEST", .right = true});
  columns.push_back({.title = "MEDIAN", .right = true, .goes = 3});
  columns.push_back({.title = "HOLDER", .goes = 1, .moves = true});
  TextTable table(std::move(columns));
  for (const LeakGroup& group : groups) {
    std::vector<std::string> cells = {format_number(group.count)};
    if (!first_) cells.push_back(growth(group, now, elapsed));
    for (std::string cell :
         {state_text(group), cause_text(group.cause), port_text(group), peer_text(group),
          oldest_text(group), format_dwell(group.median), holder_text(group)})
      cells.push_back(std::move(cell));
    const Explanation explanation = explain(group, true, style_.here);
    std::vector<std::string> notes;
    if (const std::string place = places_.text(group.netns, group.cgroup); !place.empty())
      notes.push_back(std::string(kIndent) + place);
    notes.push_back(std::string(kIndent) + explanation.what);
    for (const std::string& line : where_lines(group)) notes.push_back(std::string(kIndent) + line);
    notes.push_back(std::string(kIndent) + "next: " + explanation.next);
    table.add(std::move(cells), color_of(group.cause), std::move(notes));
  }
  write(table.text(style_.header, style_.color, width));
  if (left.groups != 0)
    write(fmt::format("and {} with {} (--top)\n", format_count(left.groups, "more group"),
                      format_count(left.sockets, "socket")));
}

void LeakReport::write(const std::string& lines) {
  output_.write(wrap_lines(lines, columns_of(style_.screen), kIndent.size()), true);
}

void LeakReport::print_gone(const Memory& now) {
  const auto is_shown = [&](const std::string& key) {
    const auto it = now.find(key);
    return it != now.end() && !it->second.shown.empty();
  };
  std::vector<std::string> lines;
  for (const auto& [key, seen] : memory_) {
    // Not gone if its peer is part of a wider group now, or was before.
    if (seen.shown.empty() || now.contains(key) || is_shown(seen.wider_key)) continue;
    lines.push_back(fmt::format("gone: {} ({})\n", seen.shown, format_count(seen.count, "socket")));
  }
  std::sort(lines.begin(), lines.end());  // the map has no order
  for (const std::string& line : lines) write(line);
}

void LeakReport::print_summary(const std::vector<LeakGroup>& groups, const When& when,
                               std::span<const WatchedState> watched) {
  if (!style_.header) return;  // --quiet
  std::size_t stuck = 0, stuck_groups = 0, orphaned = 0, failed = 0, unknown = 0;
  for (const LeakGroup& group : groups) {
    if (is_orphaned(group)) {
      orphaned += group.count;
    } else if (has_failed(group)) {
      failed += group.count;
    } else if (!group.certain) {
      unknown += group.count;
    } else {
      stuck += group.count;
      ++stuck_groups;
    }
  }
  std::string text = stuck == 0 ? "nothing is stuck"
                                : fmt::format("{} stuck, {}", format_count(stuck, "socket"),
                                              format_count(stuck_groups, "group"));
  if (groups.empty()) text += nearly_text(watched);
  if (unknown != 0)
    text += fmt::format("; {} of unknown age may be stuck", format_count(unknown, "socket"));
  if (orphaned != 0)
    text += fmt::format("; {} in FIN_WAIT_2 that the kernel will end",
                        format_count(orphaned, "orphaned socket"));
  if (failed != 0)
    text += fmt::format("; {} whose connect() failed", format_count(failed, "open socket"));
  write(clock_.format(when) + ' ' + text + '\n');
}

}  // namespace tcpdwell
