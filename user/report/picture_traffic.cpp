// SPDX-License-Identifier: Apache-2.0
// Ports, handshakes, and who closed first.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/dwell_order.h"
#include "report/html.h"
#include "report/pictures.h"
#include "report/svg.h"
#include "sinks/stats_text.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kMostPortCharts = 6, kMostServices = 24;

std::string draw_ports(const Canvas& canvas, const ReportData& data, const PortCurve& curve) {
  const std::uint32_t highest = *std::max_element(curve.used.begin(), curve.used.end());
  const std::uint32_t limit = curve.use.capacity();
  // The limit is shown if the use is not lost below it.
  const bool near = limit != 0 && std::uint64_t{highest} * 20 >= limit;
  const double most = round_up(near ? std::max(highest, limit) : highest);
  const auto y_of = [&](double count) {
    return canvas.y_end() - canvas.plot_height() * count / most;
  };
  const std::string path =
      steps(canvas, data, curve.used.size(), [&](std::size_t i) { return y_of(curve.used[i]); });
  std::string text = count_axis(canvas, most);
  text += fmt::format("<path class=\"area ports\" d=\"M{0} {1}L{2}V{1}Z\"/>\n", number(canvas.left),
                      number(canvas.y_end()), path);
  text += fmt::format("<path class=\"curve\" d=\"M{}\"/>\n", path);
  if (near) {
    text += line(canvas.left, y_of(limit), canvas.x_end(), y_of(limit), "limit");
    text += text_at(canvas.left + 6, y_of(limit) + 15, "limit " + format_number(limit), "limit");
  }
  return text + time_axis(canvas, data);
}

const PortUse& last_use(const ReportData& data, const PortCurve& curve) {
  for (const PortUse& use : data.stats.ports)
    if (use.remote == curve.use.remote && use.site.local == curve.use.site.local &&
        use.site.netns == curve.use.site.netns)
      return use;
  return curve.use;
}

void sides_row(const Service& service, std::uint64_t all, Table& table) {
  constexpr std::array kOrder = {Side::Local, Side::Remote, Side::Both, Side::None, Side::Unknown};
  std::vector<Cell> cells = {{html(service.name)}, {format_number(service.ended), true}};
  static constexpr const char* kHeat[] = {"h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7"};
  for (const Side side : kOrder) {
    const std::uint64_t count = service.closed_by[static_cast<std::size_t>(side)];
    const double share = all == 0 ? 0 : static_cast<double>(count) / static_cast<double>(all);
    const auto heat = count == 0
                          ? std::size_t{0}
                          : std::min<std::size_t>(7, 1 + static_cast<std::size_t>(share * 6.99));
    cells.push_back(
        {count == 0 ? "-"
                    : fmt::format("{} <small>{:.0f} %</small>", format_number(count), 100 * share),
         true, kHeat[heat]});
  }
  cells.push_back({format_number(service.time_waits), true});
  cells.push_back(
      {service.time_waits == 0
           ? "-"
           : format_duration(service.in_time_wait / static_cast<std::int64_t>(service.time_waits)),
       true});
  table.row(std::move(cells));
}

Service sum_of_all(const ReportData& data) {
  Service sum;
  sum.name = "all";
  for (const Service& service : data.services) {
    for (std::size_t i = 0; i < kSides; ++i) sum.closed_by[i] += service.closed_by[i];
    sum.ended += service.ended;
    sum.time_waits += service.time_waits;
    sum.in_time_wait += service.in_time_wait;
  }
  return sum;
}

std::string syns_table(const ReportData& data) {
  Table table("How often the SYN or SYN-ACK of a handshake was sent",
              {{"times sent"}, {"SYN (outgoing)", true}, {"SYN-ACK (incoming)", true}});
  for (std::size_t i = 0; i < kSynsSent; ++i)
    if (data.syns[0][i] + data.syns[1][i] != 0)
      table.row({std::to_string(i + 1) + (i + 1 == kSynsSent ? " or more" : ""),
                 format_number(data.syns[0][i]), format_number(data.syns[1][i])});
  return table.is_empty() ? "" : table.text();
}

std::string queues_table(const ReportData& data) {
  if (!data.stats.accept_queues_full || data.stats.accept_queues_full->empty()) return "";
  Table table(
      "Accept queues that were full",
      {{"listener"}, {"waiting", true}, {"at most", true}, {"SYNs dropped since listen()", true}});
  for (const FullQueue& queue : *data.stats.accept_queues_full)
    table.row({html(format_endpoint(queue.flow.local, queue.flow.family)),
               format_number(queue.length), format_number(std::uint64_t{queue.backlog} + 1),
               format_number(queue.syns_dropped)});
  return table.text();
}

void handshake_row(const Service& service, bool out, Table& table) {
  const Handshakes& one = out ? service.out : service.in;
  if (one.ended == 0) return;
  const Histogram& dwells = service.states[index(out ? State::SynSent : State::SynReceived)].dwells;
  std::vector<std::string> cells = {html(service.name), out ? "outgoing" : "incoming",
                                    format_number(one.ended)};
  for (const double share : {0.5, 0.99, 1.0})
    cells.push_back(dwells.count() == 0 ? "-" : format_duration(dwells.percentile(share)));
  cells.push_back(format_number(one.slow));
  cells.push_back(format_number(one.sent_again));
  table.row(std::move(cells));
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
    const PortUse& use = last_use(data, curve);
    const std::string local = format_address({use.site.local, 0}, use.site.family);
    const std::string remote = format_endpoint(use.remote, use.site.family);
    table.row({html(local), html(remote), format_number(curve.used.back()),
               format_number(*std::max_element(curve.used.begin(), curve.used.end())),
               use.capacity() == 0 ? "unknown" : format_number(use.capacity()),
               html(forecast_text(use, true)), html(states_text(use))});
    if (i >= kMostPortCharts) continue;
    Canvas wide = kWide, narrow = kNarrow;
    wide.height = narrow.height = 220;
    cards += fmt::format(
        "<div class=\"card\"><h3>to {}</h3>\n<p>From {}: {} in use at the end. Forecast: "
        "{}.</p>\n{}"
        "</div>\n",
        html(remote), html(local), format_number(curve.used.back()),
        html(forecast_text(use, true) == "-" ? "not possible" : forecast_text(use, true)),
        drawn_twice("Local ports in use to " + remote, wide, narrow,
                    [&](const Canvas& canvas) { return draw_ports(canvas, data, curve); }));
  }
  Table failed("connect() calls that failed", {{"process"}, {"why"}, {"how many", true}});
  for (const FailedConnectsRecord& record : data.stats.connects_failed)
    failed.row({record.process ? html(format_process(*record.process)) : "-",
                html(what_failed(record.reason)), format_number(record.count)});
  return section({.id = "ports",
                  .title = "Local ports",
                  .lead = "Ports that connect() cannot choose for a destination, because a "
                          "connection or its TIME_WAIT has them.",
                  .body = "<div class=\"cards\">" + cards + "</div>\n" +
                          (failed.is_empty() ? "" : failed.text()),
                  .notes = "",
                  .table = table.is_empty() ? "" : table.text()});
}

std::string closers_picture(const ReportData& data) {
  const Service all = sum_of_all(data);
  if (all.ended == 0) return "";
  Table table("Who sent FIN or RST first, by service", {{"service"},
                                                        {"ended", true},
                                                        {"this host", true},
                                                        {"the peer", true},
                                                        {"both", true},
                                                        {"neither", true},
                                                        {"unknown", true},
                                                        {"TIME_WAITs", true},
                                                        {"mean length", true}});
  std::size_t left_out = 0;
  for (const Service& service : data.services) {
    if (service.ended == 0) continue;
    if (left_out != 0 || table.rows() >= kMostServices)
      ++left_out;
    else
      sides_row(service, service.ended, table);
  }
  if (table.rows() > 1 || left_out != 0) sides_row(all, all.ended, table);
  return section(
      {.id = "closers",
       .title = "Who closed first",
       .lead = "The end that closes first pays with TIME_WAIT. Darker cells are larger shares of "
               "the service's connections.",
       .body = table.text(),
       .notes = left_out == 0
                    ? ""
                    : format_count(left_out, "further service") + " are in the last line only.",
       .table = ""});
}

std::string handshakes_picture(const ReportData& data) {
  Table table("Handshakes by service", {{"service"},
                                        {"side"},
                                        {"established", true},
                                        {"median", true},
                                        {"p99", true},
                                        {"longest", true},
                                        {"500 ms or longer", true},
                                        {"SYN sent again", true}});
  for (std::size_t i = 0; i < std::min(data.services.size(), kMostServices); ++i)
    for (const bool out : {true, false}) handshake_row(data.services[i], out, table);
  const std::string more = syns_table(data) + queues_table(data);
  if (table.is_empty() && more.empty()) return "";
  return section({.id = "handshakes",
                  .title = "Handshakes",
                  .lead = "How long SYN_SENT (outgoing) and SYN_RECEIVED (incoming) lasted, also "
                          "of handshakes that failed; and whether packets were sent again.",
                  .body = (table.is_empty() ? "" : table.text()) + more,
                  .notes = "",
                  .table = ""});
}

}  // namespace tcpdwell::reporting
