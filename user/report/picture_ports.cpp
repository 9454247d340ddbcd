// SPDX-License-Identifier: Apache-2.0
// Local ports in use by destination, against their limit, with the forecast.
#include <fmt/format.h>

#include <algorithm>

#include "report/html.h"
#include "report/pictures.h"
#include "report/port_text.h"
#include "report/svg.h"
#include "sinks/stats_text.h"
#include "sinks/text_format.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kMostCharts = 6;

// A forecast that the ports run out.
struct RunOut {
  Nanos at{};  // when it was made
  std::uint32_t used = 0;
  PortForecast forecast;
  Nanos end() const { return at + forecast.runs_out_in.value_or(Nanos{0}); }
  Nanos earliest() const { return at + forecast.earliest.value_or(Nanos{0}); }
  Nanos latest() const { return at + forecast.latest.value_or(Nanos{0}); }
  bool has_bounds() const { return forecast.earliest && forecast.latest; }
};

// That of the end of the report, else the first one.
std::optional<RunOut> run_out_of(const ReportData& data, const PortCurve& curve,
                                 const PortUse& use) {
  if (use.failed == 0 && use.forecast.outlook == Outlook::RunsOut)
    return RunOut{data.end.mono, use.used, use.forecast};
  if (curve.warning) return RunOut{curve.warned, curve.warning->used, curve.warning->forecast};
  return std::nullopt;
}

class PortChart {
 public:
  PortChart(const ReportData& data, const PortCurve& curve, const PortUse& use)
      : data_(data), curve_(curve), limit_(use.capacity()), run_out_(run_out_of(data, curve, use)) {
    const std::uint32_t highest = *std::max_element(curve.used.begin(), curve.used.end());
    // The limit is shown if the use is not lost below it.
    has_limit_ = limit_ != 0 && (run_out_ || std::uint64_t{highest} * 20 >= limit_);
    most_ = round_up(has_limit_ ? std::max(highest, limit_) : highest);
  }

  // The time that the forecast needs behind the end of the report, with some room.
  Nanos after() const {
    if (!run_out_) return Nanos{0};
    const Nanos last = run_out_->has_bounds() ? run_out_->latest() : run_out_->end();
    if (last <= data_.end.mono) return Nanos{0};
    const Nanos after = last - data_.end.mono;
    return after + (data_.length() + after) / 20;
  }

  std::string draw(const Canvas& canvas) const {
    const std::string path = steps(canvas, data_, curve_.used.size(),
                                   [&](std::size_t i) { return y_of(canvas, curve_.used[i]); });
    std::string text = count_axis(canvas, most_);
    text += fmt::format("<path class=\"area ports\" d=\"M{0} {1}L{2}V{1}Z\"/>\n",
                        number(canvas.left), number(canvas.y_end()), path);
    text += fmt::format("<path class=\"curve\" d=\"M{}\"/>\n", path);
    if (run_out_) text += draw_course(canvas);
    if (has_limit_) {
      const double y = y_of(canvas, limit_);
      text += line(canvas.left, y, canvas.x_end(), y, "limit");
      text += text_at(canvas.left + 6, y + 15, "limit " + format_number(limit_), "limit");
    }
    if (!has_limit_ && limit_ != 0)
      text += text_at(canvas.left + 6, canvas.top - 9,
                      "the limit, " + format_number(limit_) + ", is far above");
    if (run_out_) text += draw_moment(canvas);
    return text + time_axis(canvas, data_);
  }

 private:
  double y_of(const Canvas& canvas, double count) const {
    return canvas.y_end() - canvas.plot_height() * count / most_;
  }

  // From the use when the forecast was made to the limit. What lies between the earliest and the
  // latest time is hatched; what is not known yet is faded.
  std::string draw_course(const Canvas& canvas) const {
    const RunOut& said = *run_out_;
    const double x = x_of(canvas, data_, said.at), y = y_of(canvas, said.used);
    const double end = x_of(canvas, data_, said.end()), top = y_of(canvas, limit_);
    std::string text;
    if (said.at == data_.end.mono)
      text += fmt::format("<path class=\"area ports faded\" d=\"M{0} {1}V{2}L{3} {4}V{1}Z\"/>\n",
                          number(x), number(canvas.y_end()), number(y), number(end), number(top));
    if (said.has_bounds())
      text += fmt::format("<path class=\"maybe\" d=\"M{} {}L{} {}H{}Z\"/>\n", number(x), number(y),
                          number(x_of(canvas, data_, said.earliest())), number(top),
                          number(x_of(canvas, data_, said.latest())));
    return text + line(x, y, end, top, "forecast");
  }

  std::string draw_moment(const Canvas& canvas) const {
    const RunOut& said = *run_out_;
    const double x = x_of(canvas, data_, said.end()), y = y_of(canvas, limit_);
    std::string text = fmt::format("<circle class=\"moment\" cx=\"{}\" cy=\"{}\" r=\"4.5\"/>\n",
                                   number(x), number(y));
    const bool right = x * 2 > canvas.width;
    text += text_at(right ? std::min<double>(x + 8, canvas.width - 2) : x - 8, y - 9,
                    fmt::format("no port left in {}, {}", whole_seconds(said.end() - said.at),
                                clock_text(data_.when(said.end()))),
                    "limit", right ? "end" : "start");
    const double made = x_of(canvas, data_, said.at);
    const bool at_end = said.at == data_.end.mono;
    text += line(made, canvas.top, made, canvas.y_end(), "made");
    const bool to_left = made * 2 > canvas.width;
    text += text_at(made + (to_left ? -6 : 6), canvas.top + 40,
                    at_end ? "end of the report" : "forecast of " + clock_text(data_.when(said.at)),
                    "label", to_left ? "end" : "start");
    return text;
  }

  const ReportData& data_;
  const PortCurve& curve_;
  std::uint32_t limit_;
  std::optional<RunOut> run_out_;
  bool has_limit_ = false;
  double most_ = 0;
};

std::string port_card(const ReportData& data, const PortCurve& curve, const PortUse& use) {
  const PortChart chart(data, curve, use);
  Canvas wide = card_canvas(std::min(data.ports.size(), kMostCharts)), narrow = kNarrow;
  wide.height = narrow.height = 250;
  wide.top = narrow.top = 28;
  wide.after = narrow.after = chart.after();
  const std::string remote = format_endpoint(use.remote, use.site.family);
  std::string text =
      fmt::format("<div class=\"card\"><h3>to {}</h3>\n<p>{} {} {}</p>\n", html(remote),
                  use_sentence(use), outlook_sentence(data, use), warning_sentence(data, curve));
  text += drawn_twice("Local ports in use to " + remote, wide, narrow,
                      [&](const Canvas& canvas) { return chart.draw(canvas); });
  if (is_urgent(use)) text += "<p class=\"next\"><b>Next:</b> " + ports_advice(use) + "</p>";
  return text + "</div>\n";
}

void forecast_row(const ReportData& data, const PortUse& use, const RunOut& said, Table& table) {
  const auto moment = [&](std::optional<Nanos> in) {
    return in ? clock_text(data.when(said.at + *in)) : std::string("unknown");
  };
  table.row({html(format_endpoint(use.remote, use.site.family)), clock_text(data.when(said.at)),
             format_number(said.used), format_number(use.capacity()),
             moment(said.forecast.runs_out_in), moment(said.forecast.earliest),
             moment(said.forecast.latest),
             said.forecast.if_held ? "if none is closed" : "at the rate of then"});
}

std::string forecasts_table(const ReportData& data) {
  Table table("Forecasts that ports run out", {{"to"},
                                               {"made at"},
                                               {"in use then", true},
                                               {"of", true},
                                               {"no port left at"},
                                               {"earliest"},
                                               {"latest"},
                                               {"condition"}});
  for (const PortCurve& curve : data.ports) {
    const PortUse use = use_at_end(data, curve);
    if (curve.warning && curve.warned != data.end.mono)
      forecast_row(data, use, {curve.warned, curve.warning->used, curve.warning->forecast}, table);
    if (use.failed == 0 && use.forecast.outlook == Outlook::RunsOut)
      forecast_row(data, use, {data.end.mono, use.used, use.forecast}, table);
  }
  return table.is_empty() ? "" : table.text();
}

}  // namespace

std::string ports_picture(const ReportData& data) {
  if (data.ports.empty() && data.stats.connects_failed.empty()) return "";
  std::string cards;
  Table table("Local ports by destination", {{"from"},
                                             {"to"},
                                             {"in use at the end", true},
                                             {"most", true},
                                             {"of", true},
                                             {"forecast"},
                                             {"states at the end"}});
  for (std::size_t i = 0; i < data.ports.size(); ++i) {
    const PortCurve& curve = data.ports[i];
    const PortUse use = use_at_end(data, curve);
    table.row({html(format_address({use.site.local, 0}, use.site.family)),
               html(format_endpoint(use.remote, use.site.family)), format_number(use.used),
               format_number(*std::max_element(curve.used.begin(), curve.used.end())),
               use.capacity() == 0 ? "unknown" : format_number(use.capacity()),
               html(forecast_text(use, true)), html(states_text(use))});
    if (i < kMostCharts) cards += port_card(data, curve, use);
  }
  Table failed("connect() calls that failed", {{"process"}, {"why"}, {"how many", true}});
  for (const FailedConnectsRecord& record : data.stats.connects_failed)
    failed.row({record.process ? html(format_process(*record.process)) : "-",
                html(what_failed(record.reason)), format_number(record.count)});
  return section(
      {.id = "ports",
       .title = "Local ports",
       .lead = "Ports that connect() cannot choose for a destination, because a connection or its "
               "TIME_WAIT has them.",
       .body =
           "<div class=\"cards\">" + cards + "</div>\n" + (failed.is_empty() ? "" : failed.text()),
       .notes = forecasts_table(data).empty()
                    ? ""
                    : "Dashed: the forecast, as a straight line from the use when it was made to "
                      "the limit. The hatched part lies between the highest and the lowest rate "
                      "of the minute before.",
       .table = (table.is_empty() ? "" : table.text()) + forecasts_table(data)});
}

}  // namespace tcpdwell::reporting
