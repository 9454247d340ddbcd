// SPDX-License-Identifier: Apache-2.0
// Handshakes, and who closed first.
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

constexpr std::size_t kMostServices = 24;

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
  const StateUse& waits = service.states[index(State::TimeWait)];
  cells.push_back({format_number(waits.entered), true});
  cells.push_back({format_number(waits.entered - std::min(waits.entered, waits.left)), true});
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
    StateUse& waits = sum.states[index(State::TimeWait)];
    waits.entered += service.states[index(State::TimeWait)].entered;
    waits.left += service.states[index(State::TimeWait)].left;
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
                                                        {"entered TIME_WAIT", true},
                                                        {"still in it", true},
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
       .lead =
           "The end that closes first pays with TIME_WAIT. The stronger the colour, the larger the "
           "share of the service's connections. A connection has ended when its TIME_WAIT is "
           "over.",
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
