// SPDX-License-Identifier: Apache-2.0
// Connections by state over time, stacked.
#include <fmt/format.h>

#include <algorithm>

#include "model/dwell_order.h"
#include "model/meanings.h"
#include "report/html.h"
#include "report/pictures.h"
#include "report/svg.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kTableRows = 60;

// Bottom first: states that last, and then those that pass.
constexpr std::array kStack = {State::Established, State::CloseWait, State::FinWait2,
                               State::TimeWait,    State::SynSent,   State::SynReceived,
                               State::FinWait1,    State::Closing,   State::LastAck};

std::uint32_t total(const Counts& counts) {
  std::uint32_t all = 0;
  for (const State state : kStack) all += counts[index(state)];
  return all;
}

std::uint32_t most_of(const ReportData& data, State state) {
  std::uint32_t most = 0;
  for (const Counts& counts : data.series.now) most = std::max(most, counts[index(state)]);
  return most;
}

std::string draw_states(const Canvas& canvas, const ReportData& data) {
  const auto& now = data.series.now;
  double most = 0;
  for (const Counts& counts : now) most = std::max<double>(most, total(counts));
  most = round_up(most);
  const auto y_of = [&](double count) {
    return canvas.y_end() - canvas.plot_height() * count / most;
  };
  std::string areas;
  std::vector<std::uint32_t> base(now.size());
  for (const State state : kStack) {
    if (most_of(data, state) == 0) continue;
    std::vector<std::uint32_t> upper = base;
    for (std::size_t i = 0; i < now.size(); ++i) upper[i] += now[i][index(state)];
    // Down along the upper edge, back along the lower one.
    std::string path =
        'M' + steps(canvas, data, now.size(), [&](std::size_t i) { return y_of(upper[i]); });
    path += 'V' + number(y_of(base.back()));
    for (std::size_t i = now.size(); i-- > 1;) {
      if (base[i] == base[i - 1]) continue;
      const Nanos edge = data.series.begin + data.series.step * static_cast<std::int64_t>(i);
      path += 'H' + number(x_of(canvas, data, edge)) + 'V' + number(y_of(base[i - 1]));
    }
    path += 'H' + number(canvas.left) + 'Z';
    const std::string style = state_class(state);
    areas += fmt::format("<path class=\"area s-{}\" d=\"{}\"/>", style, path);
    if (state != State::Established)
      areas += fmt::format("<path fill=\"url(#p-{})\" d=\"{}\"/>\n", style, path);
    base = std::move(upper);
  }
  std::string losses;
  for (const LostRecord& lost : data.losses) {
    const double x = x_of(canvas, data, lost.when.mono);
    losses += line(x, canvas.top, x, canvas.y_end(), "lost");
  }
  return count_axis(canvas, most) + areas + losses + time_axis(canvas, data);
}

std::string states_legend(const ReportData& data) {
  std::string text = "<ul class=\"legend\">";
  for (const State state : kStack)
    if (const auto most = most_of(data, state); most != 0)
      text += fmt::format("<li title=\"{}\">{} {} <b>{}</b></li>", html(meaning(state)),
                          swatch(state), name(state), format_number(most));
  return text + "</ul>\n";
}

std::string meanings(const ReportData& data) {
  Table table("What the states mean", {{"state"}, {"meaning"}});
  for (const State state : kDwellOrder)
    if (most_of(data, state) != 0)
      table.row({std::string(name(state)), html(sentence(std::string(meaning(state))))});
  return table.is_empty()
             ? ""
             : "<details><summary>What the states mean</summary>\n" + table.text() + "</details>\n";
}

std::string state_numbers(const ReportData& data) {
  Table counts("Open connections by state", {{"UTC"},
                                             {"all", true},
                                             {"ESTABLISHED", true},
                                             {"CLOSE_WAIT", true},
                                             {"FIN_WAIT_2", true},
                                             {"TIME_WAIT", true},
                                             {"SYN_SENT", true},
                                             {"SYN_RECEIVED", true},
                                             {"FIN_WAIT_1", true},
                                             {"CLOSING", true},
                                             {"LAST_ACK", true},
                                             {"opened", true},
                                             {"ended", true}});
  const Series& series = data.series;
  const std::size_t together = (series.size() + kTableRows - 1) / kTableRows;
  for (std::size_t i = 0; i < series.size(); i += together) {
    const std::size_t last = std::min(i + together, series.size()) - 1;
    std::uint64_t opened = 0, closed = 0;
    for (std::size_t bin = i; bin <= last; ++bin) {
      opened += series.opened[bin];
      closed += series.closed[bin];
    }
    std::vector<std::string> cells = {
        clock_text(data.when(std::min(series.end_of(last), data.end.mono)), true),
        format_number(total(series.now[last]))};
    for (const State state : kStack) cells.push_back(format_number(series.now[last][index(state)]));
    cells.push_back(format_number(opened));
    cells.push_back(format_number(closed));
    counts.row(std::move(cells));
  }
  return counts.text();
}

}  // namespace

std::string states_picture(const ReportData& data) {
  std::uint32_t most = 0;
  std::size_t when = 0;
  for (std::size_t i = 0; i < data.series.size(); ++i)
    if (total(data.series.now[i]) > most) {
      most = total(data.series.now[i]);
      when = i;
    }
  const When at = data.when(std::min(data.series.end_of(when), data.end.mono));
  Canvas wide = kWide;
  wide.height = 340;
  return section(
      {.id = "states",
       .title = "Connections by state",
       .lead = most == 0 ? "No connection was open."
                         : fmt::format("At most <b>{}</b> were open at once, at {}. The bold "
                                       "numbers are the most of each state.",
                                       format_number(most), clock_text(at)),
       .body = states_legend(data) +
               drawn_twice("Open connections by state over time, stacked", wide, kNarrow,
                           [&](const Canvas& canvas) { return draw_states(canvas, data); }) +
               meanings(data),
       .notes = fmt::format(
           "Counted every {}; what lasts for less can be missing. Listeners are not drawn.{}",
           format_duration(data.series.step),
           data.losses.empty() ? "" : " Red lines: events were lost."),
       .table = state_numbers(data)});
}

}  // namespace tcpdwell::reporting
