// SPDX-License-Identifier: Apache-2.0
// Findings about ports, handshakes, accept queues and who closes first.
#include <fmt/format.h>

#include <algorithm>

#include "report/findings.h"
#include "report/html.h"
#include "report/port_text.h"
#include "sinks/stats_text.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kFew = 3;

std::uint64_t sum_of(const std::array<std::uint64_t, kSynsSent>& counts, std::size_t from) {
  std::uint64_t all = 0;
  for (std::size_t i = from; i < counts.size(); ++i) all += counts[i];
  return all;
}

std::string percent(std::uint64_t part, std::uint64_t all) {
  if (all == 0) return "0 %";
  const double share = 100 * static_cast<double>(part) / static_cast<double>(all);
  return share < 10 && part != 0 ? fmt::format("{:.1f} %", share) : fmt::format("{:.0f} %", share);
}

void add_ports(const ReportData& data, std::vector<Finding>& all) {
  std::size_t shown = 0;
  std::uint64_t told = 0, found_no_port = 0;  // connect() calls
  for (const PortUse& use : data.stats.ports) {
    if (!is_noteworthy(use)) continue;
    if (shown++ == kFew) break;
    told += use.failed;
    std::string text = use_sentence(use) + ' ' + outlook_sentence(data, use);
    if (const PortCurve* curve = curve_of(data, use); curve != nullptr && is_urgent(use))
      text += ' ' + warning_sentence(data, *curve);
    all.push_back({is_urgent(use) ? Weight::Bad : Weight::Doubtful, text, "ports"});
  }
  for (const PortCurve& curve : data.ports) {
    const std::uint32_t most = *std::max_element(curve.used.begin(), curve.used.end());
    const PortUse use = use_at_end(data, curve);
    if (is_noteworthy(use) || use.capacity() == 0 || most * 2 < use.capacity()) continue;
    if (shown++ >= kFew) break;
    all.push_back({Weight::Doubtful,
                   fmt::format("At most <b>{} of {} ports</b> were in use from {} to <b>{}</b>.",
                               format_number(most), format_number(use.capacity()),
                               html(format_address({use.site.local, 0}, use.site.family)),
                               html(format_endpoint(use.remote, use.site.family))),
                   "ports"});
  }
  for (const FailedConnectsRecord& failed : data.stats.connects_failed)
    found_no_port += failed.reason == ConnectFailure::NoPort ? failed.count : 0;
  for (const FailedConnectsRecord& failed : data.stats.connects_failed)
    if (failed.reason != ConnectFailure::NoPort || told < found_no_port)
      all.push_back(
          {Weight::Bad,
           fmt::format(
               "<b>{}</b>{} failed: {}.", format_count(failed.count, "connect() call"),
               failed.process ? " of " + html(format_process(*failed.process)) : std::string(),
               what_failed(failed.reason)),
           "ports"});
}

void add_queues(const ReportData& data, std::vector<Finding>& all) {
  if (!data.stats.accept_queues_full) return;
  for (const FullQueue& queue : *data.stats.accept_queues_full)
    all.push_back(
        {Weight::Bad,
         fmt::format("The <b>accept queue of {} was full</b>: {} of at most {} waited. Its kernel "
                     "dropped {} since listen().",
                     html(format_endpoint(queue.flow.local, queue.flow.family)),
                     format_number(queue.length), format_number(std::uint64_t{queue.backlog} + 1),
                     format_count(queue.syns_dropped, "SYN")),
         "handshakes"});
}

void add_handshakes(const ReportData& data, std::vector<Finding>& all) {
  Handshakes sum[2];
  for (const Service& service : data.services)
    for (const int side : {0, 1}) {
      const Handshakes& one = side == 0 ? service.out : service.in;
      sum[side].ended += one.ended;
      sum[side].sent_again += one.sent_again;
      sum[side].slow += one.slow;
      sum[side].slow_again += one.slow_again;
    }
  for (const int side : {0, 1}) {
    const Handshakes& one = sum[side];
    if (one.slow == 0 && one.sent_again == 0) continue;
    const char* packet = side == 0 ? "SYN" : "SYN-ACK";
    const State state = side == 0 ? State::SynSent : State::SynReceived;
    std::string text =
        fmt::format("<b>{} of {} {} handshakes</b> took {} or longer", format_number(one.slow),
                    format_number(one.ended), side == 0 ? "outgoing" : "incoming",
                    round_duration(Handshakes::kSlow));
    text += one.slow == 0 ? "; "
                          : fmt::format(". Of these, {} sent their {} again; ",
                                        format_number(one.slow_again), packet);
    text +=
        fmt::format("{} ({}) sent it more than once.",
                    format_count(sum_of(data.syns[static_cast<std::size_t>(side)], 1), "handshake"),
                    percent(one.sent_again, one.ended));
    const Histogram& dwells = data.states[index(state)].dwells;
    if (dwells.count() != 0)
      text += fmt::format(" In {}: median {}, p99 {}.", name(state),
                          format_duration(dwells.percentile(0.5)),
                          format_duration(dwells.percentile(0.99)));
    all.push_back({Weight::Doubtful, text, "handshakes"});
  }
}

// "nginx (1,204) and ...": the services that pay most for closing first.
std::string who_pays(const ReportData& data) {
  const auto entered = [](const Service* service) {
    return service->states[index(State::TimeWait)].entered;
  };
  std::vector<const Service*> payers;
  for (const Service& service : data.services)
    if (entered(&service) != 0) payers.push_back(&service);
  std::stable_sort(payers.begin(), payers.end(),
                   [&](const Service* a, const Service* b) { return entered(a) > entered(b); });
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(payers.size(), 2); ++i)
    text += fmt::format("{}<b>{}</b> ({})", i == 0 ? "" : " and ", html(payers[i]->name),
                        format_number(entered(payers[i])));
  return payers.size() > 2 ? text + " and others" : text;
}

std::string time_wait_sentence(const ReportData& data) {
  const StateUse& use = data.states[index(State::TimeWait)];
  if (use.entered == 0) return "";
  std::uint32_t most = 0;
  for (const Counts& counts : data.series.now)
    most = std::max(most, counts[index(State::TimeWait)]);
  std::uint64_t left = 0;
  Nanos waited{};
  for (const Service& service : data.services) {
    left += service.time_waits;
    waited += service.in_time_wait;
  }
  std::string text = fmt::format(" <b>{} entered TIME_WAIT</b>: {}; at most {} were in it at once",
                                 format_number(use.entered), who_pays(data), format_number(most));
  if (left != 0)
    text += fmt::format("; those that are over lasted for {} on average",
                        format_duration(waited / static_cast<std::int64_t>(left)));
  return text + '.';
}

void add_closers(const ReportData& data, std::vector<Finding>& all) {
  std::array<std::uint64_t, kSides> sides{};
  std::uint64_t ended = 0, resets = 0;
  for (const Service& service : data.services) {
    for (std::size_t i = 0; i < kSides; ++i) sides[i] += service.closed_by[i];
    ended += service.ended;
    resets += service.resets;
  }
  if (ended == 0) return;
  const auto share = [&](Side side) {
    return percent(sides[static_cast<std::size_t>(side)], ended);
  };
  std::string text =
      fmt::format("<b>{} ended</b>: this host closed first in {}, the peer in {}",
                  format_count(ended, "connection"), share(Side::Local), share(Side::Remote));
  if (sides[static_cast<std::size_t>(Side::Both)] != 0)
    text += ", both at once in " + share(Side::Both);
  text += '.' + time_wait_sentence(data);
  if (resets != 0)
    text += fmt::format(" {} ended by a reset or were refused.", format_number(resets));
  all.push_back({Weight::Fact, text, "closers"});
}

}  // namespace

std::vector<Finding> traffic_findings(const ReportData& data) {
  std::vector<Finding> all;
  add_ports(data, all);
  add_queues(data, all);
  add_handshakes(data, all);
  add_closers(data, all);
  return all;
}

}  // namespace tcpdwell::reporting
