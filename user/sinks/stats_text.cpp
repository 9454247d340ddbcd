// SPDX-License-Identifier: Apache-2.0
#include "sinks/stats_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

#include "model/dwell_order.h"
#include "sinks/escape.h"
#include "sinks/histogram_text.h"
#include "sinks/places.h"
#include "sinks/screen.h"
#include "sinks/text_table.h"
#include "sinks/text_wrap.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::uint32_t kNoteworthy =
    10;  // show destinations with at least 1/10 of the ports in use
constexpr std::size_t kStatsHang = 4;

std::string upper(std::string_view text) {
  std::string all(text);
  std::transform(all.begin(), all.end(), all.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return all;
}

std::string key_text(const StatsRow& row, GroupBy by, const Surroundings* here) {
  if (!row.key) return "-";
  if (by == GroupBy::Netns && !row.other)
    return netns_name(static_cast<std::uint32_t>(std::strtoul(row.key->c_str(), nullptr, 10)),
                      here);
  std::string text;
  append_printable(text, *row.key);
  return row.other ? "(other)" : text;
}

void add_row(TextTable& table, const StatsRow& row, std::vector<std::string> cells) {
  cells.emplace_back(name(row.state));
  for (const std::uint64_t count : {row.entered, row.left, row.now, row.flagged})
    cells.push_back(format_number(count));
  const DwellSpread& dwell = row.dwell;
  for (const Nanos value : {dwell.min, dwell.p50, dwell.p90, dwell.p99, dwell.max})
    cells.push_back(dwell.count == 0 ? "-" : format_duration(value));
  cells.push_back(format_number(row.inexact));
  table.add(std::move(cells), row.flagged != 0 ? ansi::kRed : std::string_view{});
}

// A forecast needs no fractions.
std::string about(Nanos time) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(time);
  return seconds < std::chrono::seconds{100} ? fmt::format("{} s", seconds.count())
                                             : format_duration(seconds);
}

std::string growth_text(double per_second) {
  if (per_second >= 1) return fmt::format("{:.1f} a second", per_second);
  if (per_second >= 1.0 / 60) return fmt::format("{:.1f} a minute", per_second * 60);
  return fmt::format("{:.1f} an hour", per_second * 3600);
}

std::string level_text(const PortUse& use) {
  return fmt::format("{} of {}", format_number(use.forecast.level), format_number(use.capacity()));
}

// The line for the destination with the most ports in use.
std::string fine_text(const PortUse& use) {
  if (use.forecast.outlook == Outlook::Unknown) return {};
  return fmt::format(
      "\nports fine, for connect() without bind(): at most {} of {} are in use to one destination "
      "({})\n",
      format_number(use.used), format_number(use.capacity()),
      format_endpoint(use.remote, use.site.family));
}

}  // namespace

std::string states_text(const PortUse& use) {
  std::string text;
  for (const State state : kDwellOrder)
    if (const auto count = use.states[index(state)]; count != 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name(state), format_number(count));
  if (use.reusable != 0) text += fmt::format(" ({} reusable)", format_number(use.reusable));
  return text;
}

std::string forecast_text(const PortUse& use, bool total) {
  if (use.failed != 0)
    return fmt::format("EXHAUSTED: {} {} failed{}", format_number(use.failed),
                       use.failed == 1 ? "connect" : "connects", total ? "" : " in this interval");
  const PortForecast& forecast = use.forecast;
  switch (forecast.outlook) {
    case Outlook::Unknown: return "-";
    case Outlook::LevelsOff:
      return (forecast.level * 5 < use.used * 4 ? "falls to " : "levels off at ") +
             level_text(use) + (forecast.peaks ? ", but may peak above" : "");
    case Outlook::NearLimit: return "too near the limit to forecast: " + level_text(use);
    case Outlook::Grows: return "grows by " + growth_text(forecast.per_second);
    case Outlook::RunsOut:
      return "exhausted in " + about(forecast.runs_out_in.value_or(Nanos{0})) +
             (forecast.if_held ? " if none is closed" : "");
    case Outlook::Full: return "all in use: the next connect() fails";
  }
  return "-";
}

bool is_urgent(const PortUse& use) {
  const Outlook outlook = use.forecast.outlook;
  return use.failed != 0 || outlook == Outlook::Full || outlook == Outlook::RunsOut ||
         outlook == Outlook::NearLimit;
}

bool is_noteworthy(const PortUse& use) {
  return use.used * kNoteworthy >= use.capacity() || is_urgent(use);
}

std::string StatsText::head(const StatsRecord& record) {
  const auto date = clock_.new_date(record.when);
  return (date ? *date + '\n' : "") +
         fmt::format("{}{}{}  {}{}\n", style_.color ? ansi::kBold : "", clock_.format(record.when),
                     record.total ? "  in all" : "", format_duration(record.interval),
                     style_.color ? ansi::kReset : "");
}

std::string StatsText::table(const StatsRecord& record) const {
  std::vector<TextTable::Column> columns;
  const bool grouped_rows = record.by != GroupBy::State;
  if (grouped_rows) columns.push_back({.title = upper(name(record.by)), .least = 12});
  columns.push_back({.title = "STATE"});
  const bool inexact = std::any_of(record.rows.begin(), record.rows.end(),
                                   [](const StatsRow& row) { return row.inexact != 0; });
  const auto number = [&](const char* title, const char* short_title, unsigned goes) {
    columns.push_back({.title = title, .right = true, .short_title = short_title, .goes = goes});
  };
  number("ENTERED", "IN", 0);
  number("LEFT", "OUT", 0);
  number("NOW", "", 0);
  number("FLAGGED", "STUCK", 0);
  number("MIN", "", 4);
  number("P50", "", 0);
  number("P90", "", 2);
  number("P99", "", 1);
  number("MAX", "", 0);
  // The percentiles are of the exact dwells: the others must not go unseen.
  number("INEXACT", "", inexact ? 0 : 3);
  TextTable table(std::move(columns));
  std::optional<std::string> last;
  for (const StatsRow& row : record.rows) {
    std::vector<std::string> cells;
    if (grouped_rows) {
      std::string key = key_text(row, record.by, style_.here);
      cells.push_back(last == key ? "" : key);
      last = std::move(key);
    }
    add_row(table, row, std::move(cells));
  }
  if (record.rows.empty())
    return record.open == 0
               ? "no connection was seen\n"
               : fmt::format("no connection passed the filter; {} open without it\n",
                             record.open == 1 ? "1 is" : format_number(record.open) + " are");
  return table.text(style_.header, style_.color, columns_of(style_.screen));
}

std::string StatsText::ports(const StatsRecord& record) const {
  TextTable table({{"LOCAL"},
                   {"REMOTE"},
                   {.title = "NETNS", .right = true, .goes = 1, .moves = true},
                   {.title = "PORTS IN USE", .right = true, .short_title = "USED"},
                   {"OF", true},
                   {"", true},
                   {.title = "FORECAST", .goes = 2, .moves = true},
                   {.title = "STATES", .goes = 3, .moves = true}});
  bool any = false;
  for (const PortUse& use : record.ports) {
    const std::uint32_t capacity = use.capacity();
    if (!is_noteworthy(use)) continue;
    any = true;
    table.add(
        {format_address({use.site.local, 0}, use.site.family),
         format_endpoint(use.remote, use.site.family), netns_name(use.site.netns, style_.here),
         format_number(use.used), format_number(capacity),
         fmt::format("{}%", capacity == 0 ? 100 : std::uint64_t{use.used} * 100 / capacity),
         forecast_text(use, record.total), states_text(use)},
        is_urgent(use) ? ansi::kRed : ansi::kYellow);
  }
  if (any) return '\n' + table.text(style_.header, style_.color, columns_of(style_.screen));
  return record.ports.empty() ? std::string() : fine_text(record.ports.front());
}

std::string StatsText::connects_failed(const StatsRecord& record) const {
  if (record.connects_failed.empty()) return {};
  TextTable table(
      {{.title = "CONNECTS FAILED", .right = true, .short_title = "FAILED"}, {"WHY"}, {"BY"}});
  for (const FailedConnectsRecord& failed : record.connects_failed)
    table.add({format_number(failed.count), std::string(what_failed(failed.reason)),
               failed.process ? format_process(*failed.process) : "-"},
              ansi::kRed);
  return '\n' + table.text(style_.header, style_.color, columns_of(style_.screen));
}

std::string StatsText::handshakes(const StatsRecord& record) {
  const std::uint64_t count = record.handshakes_retransmitted.value_or(0);
  if (count == 0) return {};
  return fmt::format("\n{} a SYN or SYN-ACK again\n",
                     count == 1 ? "1 handshake sent" : format_number(count) + " handshakes sent");
}

std::string StatsText::full_queues(const StatsRecord& record) const {
  if (!record.accept_queues_full || record.accept_queues_full->empty()) return {};
  TextTable table({{"ACCEPT QUEUE FULL"},
                   {.title = "NETNS", .right = true, .goes = 1, .moves = true},
                   {"LENGTH", true},
                   {"BACKLOG", true},
                   {.title = "SYNS DROPPED", .right = true, .short_title = "DROPPED"}});
  for (const FullQueue& queue : *record.accept_queues_full)
    table.add({format_endpoint(queue.flow.local, queue.flow.family),
               netns_name(queue.flow.netns, style_.here), format_number(queue.length),
               format_number(queue.backlog), format_number(queue.syns_dropped)},
              ansi::kRed);
  return '\n' + table.text(style_.header, style_.color, columns_of(style_.screen));
}

// In one write, so that a stalled reader gets whole tables.
void StatsText::write(const StatsRecord& record) noexcept {
  std::string text = head(record) + table(record) + ports(record) + connects_failed(record) +
                     handshakes(record) + full_queues(record);
  if (record.histogram) {
    const auto& [state, dwells] = *record.histogram;
    text +=
        fmt::format("\n{}, {} exact\n", name(state),
                    dwells.count() == 1 ? "1 dwell" : format_number(dwells.count()) + " dwells");
    text += draw_histogram(dwells);
  }
  output_.write(wrap_lines(text + '\n', columns_of(style_.screen), kStatsHang), record.total);
}

void StatsText::write(const Record& record) noexcept {
  std::visit(
      Overloaded{[this](const ClockRecord& clock) { print(clock); },
                 [this](const LostRecord& lost) { print(lost); }, [](const TransitionRecord&) {},
                 [](const FlagRecord&) {}, [](const ConnectionRecord&) {},
                 [](const FailedConnectsRecord&) {},
                 [this](const StartRecord& start) { print(start); }, [](const EndRecord&) {}},
      record);
}

void StatsText::print(const StartRecord& start) {
  if (!style_.replayed) return;
  (void)clock_.new_date(start.when);
  output_.write(recorded_text(start) + '\n');
}

void StatsText::print(const ClockRecord& clock) {
  output_.write(fmt::format("{}{} {}{}\n", style_.color ? ansi::kYellow : "",
                            clock_.format(clock.when), suspended_text(clock),
                            style_.color ? ansi::kReset : ""));
}

void StatsText::print(const LostRecord& lost) {
  if (lost.events == 0) return;
  output_.write(fmt::format("{}{} LOST {} events, {} of them transitions ({}){}\n",
                            style_.color ? ansi::kRed : "", clock_.format(lost.when),
                            format_number(lost.events), format_number(lost.transitions),
                            name(lost.cause), style_.color ? ansi::kReset : ""));
}

}  // namespace tcpdwell
