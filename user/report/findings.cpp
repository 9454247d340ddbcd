// SPDX-License-Identifier: Apache-2.0
#include "report/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "report/html.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kMostOfAKind = 5;

std::string bold(std::uint64_t count, std::string_view noun) {
  return "<b>" + format_count(count, noun) + "</b>";
}

std::string state_of(const LeakGroup& group) {
  return group.kind == FlagKind::Accept ? "an accept queue" : state_text(group);
}

// "longer than 1m00s in CLOSE_WAIT"
std::string longer_than(const LeakGroup& group, Nanos threshold) {
  const std::string time = round_duration(threshold);
  if (group.kind == FlagKind::State && group.state == State::Closed)
    return "open for longer than " + time + " after their connection ended";
  return "in " + state_of(group) + " for longer than " + time;
}

// How fast the number of sockets grew, if it grew steadily enough to be said.
struct Rate {
  double per_minute = 0;
  Nanos from{}, to{};
};
std::optional<Rate> rate_of(const ReportData& data, const Growth& growth) {
  const auto& counts = growth.entered;
  if (growth.open < 3 || counts.size() < 4) return std::nullopt;
  std::size_t first = 0, last = 0;
  for (std::size_t i = 1; i < counts.size(); ++i)
    if (counts[i] > counts[i - 1]) {
      if (first == 0) first = i;
      last = i;
    }
  if (last < first + 2) return std::nullopt;
  const std::uint64_t before = counts[first - 1];
  if (counts[last] < before + 3) return std::nullopt;
  const Nanos time = data.series.step * static_cast<std::int64_t>(last - first + 1);
  const double minutes = std::chrono::duration<double, std::ratio<60>>(time).count();
  return Rate{static_cast<double>(counts[last] - before) / minutes,
              data.series.begin + data.series.step * static_cast<std::int64_t>(first),
              data.series.end_of(last)};
}

std::string rate_text(double per_minute) {
  if (per_minute >= 600) return fmt::format("{:.0f} a second", per_minute / 60);
  if (per_minute >= 10) return fmt::format("{:.0f} a minute", per_minute);
  if (per_minute >= 1) return fmt::format("{:.1f} a minute", per_minute);
  return fmt::format("{:.1f} an hour", per_minute * 60);
}

bool decides(const LeakGroup& group) {
  return group.certain && group.cause != Cause::Orphaned && group.cause != Cause::ConnectFailed;
}

Finding stuck_finding(const ReportData& data, const StuckGroup& stuck) {
  const LeakGroup& group = stuck.group;
  std::string text = bold(group.count, "socket");
  text += group.count == 1 ? " is " : " are ";
  if (group.certain) {
    text += html(longer_than(group, stuck.threshold));
  } else {
    text += "in " + html(state_of(group)) + ", for an unknown time";
    if (group.at_most) text += ", at most " + format_duration(*group.at_most);
  }
  if (const std::string holder = holder_text(group); holder != "-")
    text += ", held by <b>" + html(holder) + "</b>";
  if (!stuck.service.empty()) text += " of " + html(stuck.service);
  if (group.certain) {
    text += "; the oldest for " + html(format_dwell(group.oldest));
    if (group.oldest.error)
      text += ", since " + clock_text(data.when(data.end.mono - group.oldest.value));
  }
  text += ". ";
  if (stuck.growth) {
    const auto rate = rate_of(data, data.growth[*stuck.growth]);
    if (rate)
      text +=
          fmt::format("Their number grew by <b>{}</b> from {} to {}. ", rate_text(rate->per_minute),
                      clock_text(data.when(rate->from)), clock_text(data.when(rate->to)));
  }
  text += html(sentence(stuck.text.what));
  if (!stuck.main_where.empty()) text += " <code>" + html(stuck.main_where) + "</code>";
  return {decides(group) ? Weight::Bad : Weight::Doubtful, text, "stuck"};
}

// "Nothing is stuck at the end: 12 in CLOSE_WAIT, the oldest for ≥3.2s."
std::string nothing_stuck(const ReportData& data) {
  std::string states;
  for (const WatchedState& state : data.watched) {
    if (state.sockets == 0) continue;
    states += states.empty() ? ": " : "; ";
    states += format_number(state.sockets) + " in ";
    states += state.kind == FlagKind::Accept ? "accept queues" : std::string(name(state.state));
    if (state.oldest.count() > 0) states += ", the oldest for ≥" + format_duration(state.oldest);
  }
  if (data.start.thresholds.empty()) states = ", because nothing was watched (--no-flags)";
  return "<b>Nothing is stuck</b> at the end" + states + '.';
}

}  // namespace

std::string growth_title(const Growth& growth) {
  const LeakGroup& group = growth.example;
  std::string text = group.kind == FlagKind::Accept ? "ACCEPT" : state_text(group);
  if (group.cause != Cause::None) text += ' ' + cause_text(group.cause);
  if (const std::string holder = holder_text(group); holder != "-") text += ", " + holder;
  if (group.local_port != 0)
    text += ", port " + std::to_string(group.local_port);
  else
    text += ", peer " + peer_text(group);
  return text;
}

std::string growth_sentence(const ReportData& data, const Growth& growth) {
  std::string text =
      fmt::format("{} {} {}, at most {} at once. ", bold(growth.raised, "socket"),
                  growth.raised == 1 ? "was" : "were",
                  html(longer_than(growth.example, growth.threshold)), format_number(growth.most));
  if (const auto rate = rate_of(data, growth))
    text += fmt::format("The number grew by <b>{}</b> from {} to {}. ", rate_text(rate->per_minute),
                        clock_text(data.when(rate->from)), clock_text(data.when(rate->to)));
  if (growth.open == 0)
    return text + fmt::format("The last one left the state at {}.",
                              clock_text(data.when(growth.last_cleared)));
  return text + format_number(growth.open) + (growth.open == 1 ? " is" : " are") +
         " stuck at the end.";
}

std::vector<Finding> stuck_findings(const ReportData& data) {
  std::vector<Finding> all;
  bool any = false;
  std::size_t further = 0, further_sockets = 0;
  for (const StuckGroup& stuck : data.stuck) {
    any = any || decides(stuck.group);
    if (all.size() < kMostOfAKind) {
      all.push_back(stuck_finding(data, stuck));
    } else {
      ++further;
      further_sockets += stuck.group.count;
    }
  }
  if (further != 0)
    all.push_back({Weight::Bad,
                   fmt::format("{} of stuck sockets have {}.", bold(further, "further group"),
                               format_count(further_sockets, "socket")),
                   "stuck"});
  std::size_t over = 0;
  for (const Growth& growth : data.growth) {
    if (growth.open != 0 || ++over > kMostOfAKind) continue;
    all.push_back(
        {Weight::Doubtful,
         "Stuck before: " + html(growth_title(growth)) + ". " + growth_sentence(data, growth),
         "stuck"});
  }
  if (over > kMostOfAKind)
    all.push_back({Weight::Doubtful,
                   bold(over - kMostOfAKind, "further group") + " of sockets were stuck before.",
                   "stuck"});
  if (!any)
    all.insert(all.begin(), {data.start.thresholds.empty() ? Weight::Doubtful : Weight::Good,
                             nothing_stuck(data), "states"});
  return all;
}

std::vector<Finding> find_all(const ReportData& data) {
  std::vector<Finding> all = stuck_findings(data);
  for (auto* part : {traffic_findings, limit_findings})
    for (Finding& finding : part(data)) all.push_back(std::move(finding));
  std::stable_sort(all.begin(), all.end(), [](const Finding& a, const Finding& b) {
    const bool a_first = a.weight == Weight::Bad, b_first = b.weight == Weight::Bad;
    return a_first && !b_first;
  });
  return all;
}

}  // namespace tcpdwell::reporting
