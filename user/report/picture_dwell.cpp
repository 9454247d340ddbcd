// SPDX-License-Identifier: Apache-2.0
// How long connections stayed in each state: distributions on a logarithmic axis.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/dwell_order.h"
#include "report/html.h"
#include "report/pictures.h"
#include "report/svg.h"
#include "sinks/text_format.h"
#include "stats/histogram.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

constexpr int kBarsPerDecade = 8;
constexpr double kLeastMost = 1e-6, kMostMost = 1e7;  // seconds

// The axis that all rows share: decades of seconds.
struct Decades {
  int first = -6, last = 0;
  double place(double seconds) const {
    const double at = std::log10(std::clamp(seconds, kLeastMost, kMostMost));
    return std::clamp((at - first) / (last - first), 0.0, 1.0);
  }
};

double seconds_of(Nanos time) { return std::chrono::duration<double>(time).count(); }

Decades decades_of(const ReportData& data) {
  double least = 1, most = 1;
  for (const StateUse& state : data.states) {
    if (state.dwells.count() == 0) continue;
    least = std::min(least, std::max(seconds_of(state.dwells.min()), kLeastMost));
    most = std::max(most, seconds_of(state.dwells.max()));
  }
  return {static_cast<int>(std::floor(std::log10(least))),
          std::max(static_cast<int>(std::ceil(std::log10(std::min(most, kMostMost)))), 1)};
}

std::string decade_text(int decade) {
  constexpr std::string_view kSmall[] = {"1us", "10us", "100us", "1ms", "10ms", "100ms", "1s"};
  if (decade <= 0) return std::string(kSmall[static_cast<std::size_t>(decade + 6)]);
  return fmt::format("{:.0f}s", std::pow(10, decade));
}

struct Row {
  std::string name;  // printable
  State state = State::Established;
  const Histogram* dwells = nullptr;
  std::optional<Nanos> threshold;
};

std::string draw_row(const Canvas& canvas, const Decades& decades, const Row& row, double y,
                     double height) {
  const Histogram& dwells = *row.dwells;
  const int bars = (decades.last - decades.first) * kBarsPerDecade;
  std::vector<std::uint64_t> counts;
  std::uint64_t most = 1;
  for (int i = 0; i < bars; ++i) {
    const auto bound = [&](int bar) {
      const double exponent = decades.first + static_cast<double>(bar) / kBarsPerDecade;
      return Nanos{static_cast<std::int64_t>(std::llround(std::pow(10, exponent + 9)))};
    };
    const Nanos low = i == 0 ? Nanos{0} : bound(i);
    counts.push_back(dwells.between(low, i + 1 == bars ? Nanos::max() : bound(i + 1)));
    most = std::max(most, counts.back());
  }
  const double width = static_cast<double>(canvas.plot_width()) / bars;
  std::string path;
  for (int i = 0; i < bars; ++i) {
    const std::uint64_t count = counts[static_cast<std::size_t>(i)];
    if (count == 0) continue;
    // A single dwell must be seen beside thousands.
    const double tall =
        std::max(2.0, height * std::sqrt(static_cast<double>(count) / static_cast<double>(most)));
    path += fmt::format("M{} {}h{}v-{}h-{}z", number(canvas.left + i * width + 0.5), number(y),
                        number(std::max(width - 1, 0.5)), number(tall),
                        number(std::max(width - 1, 0.5)));
  }
  const std::string style = state_class(row.state);
  std::string text = fmt::format("<path class=\"s-{}\" d=\"{}\"/>", style, path);
  if (row.state != State::Established && row.state != State::Listen)
    text += fmt::format("<path fill=\"url(#p-{})\" d=\"{}\"/>\n", style, path);
  text += line(canvas.left, y, canvas.x_end(), y, "axis");
  const auto mark = [&](double share, double tall, const char* name) {
    const double x =
        canvas.left + canvas.plot_width() * decades.place(seconds_of(dwells.percentile(share)));
    text += line(x, y, x, y - tall, name);
  };
  mark(0.5, height + 3, "median");
  mark(0.9, height * 0.55, "quantile");
  mark(0.99, height * 0.55, "quantile");
  if (row.threshold) {
    const double x = canvas.left + canvas.plot_width() * decades.place(seconds_of(*row.threshold));
    text += line(x, y, x, y - height - 3, "threshold");
  }
  return text;
}

std::string spread_text(const Histogram& dwells) {
  if (dwells.count() == 1) return format_duration(dwells.max());
  return fmt::format("median {}, p99 {}", format_duration(dwells.percentile(0.5)),
                     format_duration(dwells.percentile(0.99)));
}

std::string draw_rows(const Canvas& canvas, const Decades& decades, const std::vector<Row>& rows,
                      double row_height) {
  std::string text;
  for (int decade = decades.first; decade <= decades.last; ++decade) {
    const double x = canvas.left + canvas.plot_width() * double(decade - decades.first) /
                                       (decades.last - decades.first);
    text += line(x, canvas.top, x, canvas.y_end(), "grid");
    if (!canvas.narrow || (decade - decades.first) % 2 == 0)
      text += text_at(std::clamp<double>(x, 14, canvas.x_end() - 14), canvas.y_end() + 19,
                      decade_text(decade), "", "middle");
  }
  double y = canvas.top;
  for (const Row& row : rows) {
    y += row_height;
    const std::string spread = format_number(row.dwells->count()) + ": " + spread_text(*row.dwells);
    const double bar = canvas.narrow ? row_height - 26 : row_height - 14;
    text += draw_row(canvas, decades, row, y, bar);
    if (canvas.narrow) {
      text += text_at(0, y - row_height + 13, row.name + "  " + spread, "label");
    } else {
      text += text_at(canvas.left - 10, y - 20, row.name, "label", "end");
      text += text_at(canvas.left - 10, y - 5, spread, "", "end");
    }
  }
  return text;
}

std::string dwell_figure(const std::string& label, const Decades& decades,
                         const std::vector<Row>& rows) {
  constexpr double kTall = 46, kTallNarrow = 58;
  Canvas wide = kWide, narrow = kNarrow;
  wide.left = 300;
  wide.height = wide.top + wide.bottom + static_cast<int>(kTall * static_cast<double>(rows.size()));
  narrow.left = 4;
  narrow.height =
      narrow.top + narrow.bottom + static_cast<int>(kTallNarrow * static_cast<double>(rows.size()));
  return drawn_twice(label, wide, narrow, [&](const Canvas& canvas) {
    return draw_rows(canvas, decades, rows, canvas.narrow ? kTallNarrow : kTall);
  });
}

std::optional<Nanos> threshold_of(const ReportData& data, State state) {
  for (const auto& [flag, threshold] : data.start.thresholds)
    if (flag == name(state)) return threshold;
  return std::nullopt;
}

std::string by_service(const ReportData& data, const Decades& decades) {
  std::string text;
  for (const State state : kDwellOrder) {
    std::vector<Row> rows;
    for (const Service& service : data.services) {
      const Histogram& dwells = service.states[index(state)].dwells;
      if (dwells.count() != 0 && rows.size() < kFewServices)
        rows.push_back({service.name, state, &dwells, threshold_of(data, state)});
    }
    if (rows.size() < 2) continue;
    text += fmt::format("<h4>{} {}</h4>\n", swatch(state), name(state));
    text += dwell_figure(fmt::format("Time in {} by service", name(state)), decades, rows);
  }
  if (text.empty()) return "";
  return "<details class=\"by-service\"><summary>By service</summary>\n" + text + "</details>\n";
}

void add_state_row(const StatsRow& row, Table& table) {
  const DwellSpread& dwell = row.dwell;
  std::vector<std::string> cells = {std::string(name(row.state)), format_number(row.entered),
                                    format_number(row.left), format_number(row.now),
                                    format_number(row.flagged)};
  for (const Nanos value : {dwell.min, dwell.p50, dwell.p90, dwell.p99, dwell.max})
    cells.push_back(dwell.count == 0 ? "-" : format_duration(value));
  cells.push_back(format_number(row.inexact));
  table.row(std::move(cells));
}

std::string dwell_numbers(const ReportData& data) {
  Table states("As of stats: all states", {{"state"},
                                           {"entered", true},
                                           {"left", true},
                                           {"now", true},
                                           {"flagged", true},
                                           {"min", true},
                                           {"p50", true},
                                           {"p90", true},
                                           {"p99", true},
                                           {"max", true},
                                           {"inexact", true}});
  for (const StatsRow& row : data.stats.rows) add_state_row(row, states);
  Table services("Time in each state by service", {{"service"},
                                                   {"state"},
                                                   {"left", true},
                                                   {"p50", true},
                                                   {"p90", true},
                                                   {"p99", true},
                                                   {"max", true},
                                                   {"inexact", true}});
  for (std::size_t i = 0; i < std::min(data.services.size(), 4 * kFewServices); ++i) {
    const Service& service = data.services[i];
    for (const State state : kDwellOrder) {
      const StateUse& use = service.states[index(state)];
      if (use.left == 0) continue;
      std::vector<std::string> cells = {html(service.name), std::string(name(state)),
                                        format_number(use.left)};
      for (const double share : {0.5, 0.9, 0.99, 1.0})
        cells.push_back(use.dwells.count() == 0 ? "-"
                                                : format_duration(use.dwells.percentile(share)));
      cells.push_back(format_number(use.inexact));
      services.row(std::move(cells));
    }
  }
  return states.text() + (services.is_empty() ? "" : services.text());
}

}  // namespace

std::string dwell_picture(const ReportData& data) {
  const Decades decades = decades_of(data);
  std::vector<Row> rows;
  std::uint64_t inexact = 0;
  for (const State state : kDwellOrder) {
    const StateUse& use = data.states[index(state)];
    inexact += use.inexact;
    if (use.dwells.count() != 0)
      rows.push_back({std::string(name(state)), state, &use.dwells, threshold_of(data, state)});
  }
  const bool any = !rows.empty();
  return section(
      {.id = "dwell",
       .title = "How long in each state",
       .lead = any ? "How many dwells were how long, on a logarithmic axis. The tall line is the "
                     "median, the short ones are p90 and p99, a dotted line is the threshold of "
                     "the flag. Heights go with the square root of the count."
                   : "No connection left a state.",
       .body = any ? dwell_figure("Distribution of the time in each state", decades, rows) +
                         by_service(data, decades)
                   : "",
       .notes = inexact == 0 ? ""
                             : fmt::format("{} are not in these distributions, because they began "
                                           "before the run or an event was lost.",
                                           format_count(inexact, "inexact dwell")),
       .table = dwell_numbers(data)});
}

}  // namespace tcpdwell::reporting
