// SPDX-License-Identifier: Apache-2.0
#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "model/dwell_order.h"
#include "report/html.h"
#include "sinks/text_format.h"

namespace tcpdwell::reporting {
namespace {

using namespace std::chrono_literals;

constexpr double kDigitWidth = 7;

// One drawing for each state on a tile of 8 by 8. Neighbours in a picture differ in both colour and
// pattern.
std::string_view pattern_of(State state) {
  switch (state) {
    case State::SynSent: return "M2 2h1M6 6h1";
    case State::SynReceived: return "M0 8L8 0";
    case State::FinWait1: return "M0 0L8 8";
    case State::FinWait2: return "M0 2L8 2M0 6L8 6";
    case State::CloseWait: return "M0 0L8 8M0 8L8 0";
    case State::Closing: return "M2 0v8M0 2h8";
    case State::LastAck: return "M2 0v8M6 0v8";
    case State::TimeWait: return "M1 1h2M5 5h2";
    case State::Closed: return "M0 4h8M4 0v8";
    case State::Listen:
    case State::Established: break;
  }
  return "";
}

std::string draw_once(std::string_view label, const Canvas& canvas, const std::string& content) {
  return fmt::format(
      "<svg class=\"{}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
      canvas.narrow ? "narrow" : "wide", canvas.width, canvas.height, html(label), content);
}

}  // namespace

std::string drawn_twice(std::string_view label, const Canvas& wide, const Canvas& narrow,
                        const std::function<std::string(const Canvas&)>& draw) {
  return "<figure>" + draw_once(label, wide, draw(wide)) + draw_once(label, narrow, draw(narrow)) +
         "</figure>\n";
}

Canvas card_canvas(std::size_t cards) {
  Canvas canvas = kWide;
  if (cards > 1) canvas.width = 640;
  return canvas;
}

std::string state_class(State state) {
  std::string text(name(state));
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string pattern_definitions() {
  std::string text =
      "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\" "
      "focusable=\"false\"><defs>";
  for (std::size_t i = 1; i < kStates; ++i) {
    const auto state = static_cast<State>(i);
    if (const auto path = pattern_of(state); !path.empty())
      text += fmt::format(
          "<pattern id=\"p-{}\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><path "
          "class=\"hatch\" d=\"{}\"/></pattern>",
          state_class(state), path);
  }
  text +=
      "<pattern id=\"p-maybe\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><path "
      "class=\"doubt\" d=\"M0 6L6 0\"/></pattern>";
  return text + "</defs></svg>\n";
}

std::string swatch(State state) {
  const std::string style = state_class(state);
  std::string text = fmt::format(
      "<svg class=\"swatch\" viewBox=\"0 0 16 16\" aria-hidden=\"true\"><rect class=\"s-{}\" "
      "width=\"16\" height=\"16\" rx=\"3\"/>",
      style);
  if (!pattern_of(state).empty())
    text += fmt::format("<rect width=\"16\" height=\"16\" rx=\"3\" fill=\"url(#p-{})\"/>", style);
  return text + "</svg>";
}

std::string number(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

std::string text_at(double x, double y, std::string_view text, std::string_view style,
                    std::string_view anchor) {
  return fmt::format("<text x=\"{}\" y=\"{}\"{}{}>{}</text>\n", number(x), number(y),
                     style.empty() ? "" : fmt::format(" class=\"{}\"", style),
                     anchor == "start" ? "" : fmt::format(" text-anchor=\"{}\"", anchor),
                     html(text));
}

std::string line(double x1, double y1, double x2, double y2, std::string_view style) {
  return fmt::format("<path class=\"{}\" d=\"M{} {}L{} {}\"/>\n", style, number(x1), number(y1),
                     number(x2), number(y2));
}

double round_up(double value) {
  // Multiples of four, so that the numbers of the axis are whole.
  for (const double small : {4.0, 8.0, 12.0, 16.0, 20.0, 28.0})
    if (value <= small) return small;
  const double ten = std::pow(10, std::floor(std::log10(value)));
  for (const double factor : {1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0})
    if (factor * ten >= value) return factor * ten;
  return 10 * ten;
}

std::string short_number(double value) {
  if (value < 10'000) return format_number(static_cast<std::uint64_t>(std::llround(value)));
  return value < 1e6 ? number(value / 1e3) + "k" : number(value / 1e6) + "M";
}

std::string count_axis(const Canvas& canvas, double most) {
  std::string text;
  constexpr int kLines = 4;
  for (int i = 0; i <= kLines; ++i) {
    const double y = canvas.y_end() - canvas.plot_height() * double(i) / kLines;
    text += line(canvas.left, y, canvas.x_end(), y, i == 0 ? "axis" : "grid");
    text += text_at(canvas.left - 6, y + 4, short_number(most * i / kLines), "", "end");
  }
  return text;
}

double x_of(const Canvas& canvas, const ReportData& data, Nanos at) {
  const Nanos length = std::max(data.length() + canvas.after, Nanos{1});
  const double share =
      static_cast<double>((at - data.begin.mono).count()) / static_cast<double>(length.count());
  return canvas.left + canvas.plot_width() * std::clamp(share, 0.0, 1.0);
}

std::string time_axis(const Canvas& canvas, const ReportData& data) {
  static constexpr std::array<Nanos, 20> kSteps = {10ms,  50ms, 100ms, 500ms, 1s,   2s,   5s,
                                                   10s,   15s,  30s,   1min,  2min, 5min, 10min,
                                                   30min, 1h,   3h,    6h,    12h,  24h};
  const int most = canvas.narrow ? 3 : 8;
  const Nanos length = data.length() + canvas.after;
  Nanos step = kSteps.back();
  for (const Nanos each : kSteps)
    if (length / each <= most) {
      step = each;
      break;
    }
  while (length / step > most) step *= 2;
  const Nanos date =
      data.begin.unix_time == Nanos{0} ? Nanos{0} : data.begin.unix_time - data.begin.mono;
  Nanos first = data.begin.mono + date;
  first = first + (step - first % step) % step;
  std::string text = line(canvas.left, canvas.y_end(), canvas.x_end(), canvas.y_end(), "axis");
  for (Nanos at = first - date; at <= data.end.mono + canvas.after; at += step) {
    const double x = x_of(canvas, data, at);
    text += line(x, canvas.y_end(), x, canvas.y_end() + 5, "axis");
    const std::string label = clock_text(data.when(at), step < 1s);
    const double half = kDigitWidth / 2 * static_cast<double>(label.size());
    text += text_at(std::clamp<double>(x, half, canvas.width - half), canvas.y_end() + 19, label,
                    "", "middle");
  }
  return text;
}

std::string steps(const Canvas& canvas, const ReportData& data, std::size_t bins,
                  const std::function<double(std::size_t)>& y) {
  std::string path;
  std::string last;
  for (std::size_t i = 0; i < bins; ++i) {
    const std::string here = number(y(i));
    const Nanos begin = data.series.begin + data.series.step * static_cast<std::int64_t>(i);
    if (i == 0)
      path += number(x_of(canvas, data, begin)) + ' ' + here;
    else if (here != last)
      path += 'H' + number(x_of(canvas, data, begin)) + 'V' + here;
    last = here;
  }
  return path + 'H' + number(x_of(canvas, data, data.end.mono));
}

}  // namespace tcpdwell::reporting
