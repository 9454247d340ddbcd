// SPDX-License-Identifier: Apache-2.0
#include "sinks/stats_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/dwell_order.h"
#include "sinks/escape.h"
#include "sinks/histogram_text.h"
#include "sinks/text_table.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::uint32_t kNoteworthy = 10;  // one of so many ports in use
constexpr std::uint32_t kTight = 2;

// "1,234,567"
std::string grouped(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string upper(std::string_view text) {
  std::string all(text);
  std::transform(all.begin(), all.end(), all.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return all;
}

std::string key_text(const StatsRow& row) {
  if (!row.key) return "-";
  std::string text;
  append_printable(text, *row.key);
  return row.other ? "(other)" : text;
}

void add_row(TextTable& table, const StatsRow& row, std::vector<std::string> cells) {
  cells.emplace_back(name(row.state));
  for (const std::uint64_t count : {row.entered, row.left, row.now, row.flagged})
    cells.push_back(grouped(count));
  const DwellSpread& dwell = row.dwell;
  for (const Nanos value : {dwell.min, dwell.p50, dwell.p90, dwell.p99, dwell.max})
    cells.push_back(dwell.count == 0 ? "-" : format_duration(value));
  cells.push_back(grouped(row.inexact));
  table.add(std::move(cells), row.flagged != 0 ? ansi::kRed : std::string_view{});
}

std::string states_text(const PortUse& use) {
  std::string text;
  for (const State state : kDwellOrder)
    if (const auto count = use.states[index(state)]; count != 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name(state), grouped(count));
  return text;
}

}  // namespace

std::string StatsText::head(const StatsRecord& record) {
  return fmt::format("{}{}{}  {}{}\n", style_.color ? ansi::kBold : "", clock_.format(record.when),
                     record.total ? "  in all" : "", format_duration(record.interval),
                     style_.color ? ansi::kReset : "");
}

std::string StatsText::table(const StatsRecord& record) const {
  std::vector<TextTable::Column> columns;
  const bool grouped_rows = record.by != GroupBy::State;
  if (grouped_rows) columns.push_back({upper(name(record.by))});
  columns.push_back({"STATE"});
  for (const char* title :
       {"ENTERED", "LEFT", "NOW", "FLAGGED", "MIN", "P50", "P90", "P99", "MAX", "INEXACT"})
    columns.push_back({title, true});
  TextTable table(std::move(columns));
  std::optional<std::string> last;
  for (const StatsRow& row : record.rows) {
    std::vector<std::string> cells;
    if (grouped_rows) {
      std::string key = key_text(row);
      cells.push_back(last == key ? "" : key);
      last = std::move(key);
    }
    add_row(table, row, std::move(cells));
  }
  if (record.rows.empty()) return "nothing was seen\n";
  return table.text(style_.header, style_.color);
}

std::string StatsText::ports(const StatsRecord& record) const {
  TextTable table({{"LOCAL"},
                   {"REMOTE"},
                   {"NETNS", true},
                   {"PORTS IN USE", true},
                   {"OF", true},
                   {"", true},
                   {"ALL IN USE IN", true},
                   {"STATES"}});
  bool any = false;
  for (const PortUse& use : record.ports) {
    const std::uint32_t size = use.range.size();
    if (use.used * kNoteworthy < size) continue;
    any = true;
    table.add({format_address({use.site.local, 0}, use.site.family),
               format_endpoint(use.remote, use.site.family), std::to_string(use.site.netns),
               grouped(use.used), grouped(size),
               fmt::format("{}%", size == 0 ? 100 : std::uint64_t{use.used} * 100 / size),
               use.time_left ? format_duration(*use.time_left) : "-", states_text(use)},
              use.used * kTight >= size ? ansi::kRed : ansi::kYellow);
  }
  return any ? '\n' + table.text(style_.header, style_.color) : std::string();
}

// All of it at once: a reader that stalls gets whole tables.
void StatsText::write(const StatsRecord& record) noexcept {
  std::string text = head(record) + table(record) + ports(record);
  if (record.histogram) {
    const auto& [state, dwells] = *record.histogram;
    text += fmt::format("\n{}, {} exact\n", name(state),
                        dwells.count() == 1 ? "1 dwell" : grouped(dwells.count()) + " dwells");
    text += draw_histogram(dwells);
  }
  output_.write(text + '\n', record.total);
}

void StatsText::write(const Record& record) noexcept {
  const auto* lost = std::get_if<LostRecord>(&record);
  if (lost == nullptr || lost->events == 0) return;
  output_.write(fmt::format("{}{} LOST {} events, {} of them transitions ({}){}\n",
                            style_.color ? ansi::kRed : "", clock_.format(lost->when), lost->events,
                            lost->transitions, name(lost->cause),
                            style_.color ? ansi::kReset : ""));
}

}  // namespace tcpdwell
