// SPDX-License-Identifier: Apache-2.0
// The metrics by name, what matters most first: a page over its limit lacks the last ones.
#include <string>

#include "export/metrics.h"
#include "model/dwell_order.h"
#include "sinks/text_format.h"

namespace tcpdwell::exporter {
namespace {

double seconds(Nanos time) { return std::chrono::duration<double>(time).count(); }

template <typename T>
double number(T count) {
  return static_cast<double>(count);
}

}  // namespace

void Metrics::add_health(PageBuilder& page, const Lifecycle& lifecycle) const {
  page.family("tcpdwell_build_info", Kind::Gauge, "", "Version of tcpdwell and of the kernel.");
  page.add({{"version", clean_label(start_.version)}, {"kernel", clean_label(start_.kernel)}}, 1);
  page.family("tcpdwell_sees", Kind::Gauge, "",
              "What this kernel shows, and how: exact, jiffy, poll or no.");
  for (const auto& [what, how] : start_.sees) page.add({{"what", what}, {"how", how}}, 1);
  page.family("tcpdwell_events_lost_total", Kind::Counter, "",
              "Events that the kernel dropped before tcpdwell read them.");
  for (std::size_t i = 0; i < kLossCauses; ++i)
    page.add({{"cause", std::string(name(static_cast<LossCause>(i)))}}, number(lost_[i]));
  page.family("tcpdwell_events_unseen_total", Kind::Counter, "",
              "Transitions that no program saw and no counter counted, at least.");
  page.add({}, number(lifecycle.unseen()));
  page.family("tcpdwell_connections_evicted_total", Kind::Counter, "",
              "Connections that --max-connections dropped before they ended.");
  page.add({}, number(lifecycle.evicted()));
  page.family("tcpdwell_series_dropped_total", Kind::Counter, "",
              "Series that did not fit into a page; see --max-series. Counted once for each page.");
  page.add({}, number(series_dropped_));
}

void Metrics::add_stuck(PageBuilder& page, Nanos now) const {
  page.family("tcpdwell_stuck_sockets", Kind::Gauge, "",
              "Sockets that passed the threshold of their state, or of the accept queue.");
  for (const auto& [group, sockets] : stuck_.groups(services_))
    page.add({{"flag", std::string(group.flag)},
              {"cause", std::string(name(group.cause))},
              {"service", std::string(group.service)}},
             number(sockets));
  page.family("tcpdwell_oldest_stuck_seconds", Kind::Gauge, "seconds",
              "Age of the oldest stuck socket, at least.");
  for (const auto& [group, age] : stuck_.oldest(now, services_))
    page.add({{"flag", std::string(group.flag)}, {"service", std::string(group.service)}},
             seconds(age));
}

void Metrics::add_connections(PageBuilder& page) const {
  page.family("tcpdwell_connections", Kind::Gauge, "", "Open connections and listeners by state.");
  services_.for_each([&](std::string_view label, const Service& service) {
    for (const State state : kDwellOrder)
      if (const std::uint32_t now = service.now[index(state)]; now != 0)
        page.add({{"state", std::string(name(state))}, {"service", std::string(label)}},
                 number(now));
  });
}

void Metrics::add_ends(PageBuilder& page) const {
  page.family("tcpdwell_connections_ended_total", Kind::Counter, "",
              "Connections that ended, by how, and by who closed first.");
  for (std::size_t end = 0; end < kEnds; ++end)
    for (std::size_t side = 0; side < kSides; ++side)
      page.add({{"ended", std::string(name(static_cast<Ended>(end)))},
                {"closed_by", std::string(name(static_cast<Side>(side)))}},
               number(ended_[end][side]));
  page.family("tcpdwell_time_wait_ended_total", Kind::Counter, "",
              "Connections whose TIME_WAIT ended, by how.");
  for (std::size_t end = 0; end < kTimeWaitEnds; ++end)
    page.add({{"reason", std::string(name(static_cast<TimeWaitEnded>(end)))}},
             number(time_wait_ended_[end]));
  page.family("tcpdwell_connects_failed_total", Kind::Counter, "",
              "connect() calls that failed for want of a local port.");
  for (const auto& [key, count] : connects_failed_)
    page.add({{"reason", std::string(name(key.first))}, {"service", key.second}}, number(count));
}

void Metrics::add_ports(PageBuilder& page) const {
  if (config_.destinations == 0) return;
  const auto labels = [](const PortUse& use) {
    return Labels{{"local", format_address({use.site.local, 0}, use.site.family)},
                  {"remote", format_endpoint(use.remote, use.site.family)}};
  };
  page.family("tcpdwell_ports_used", Kind::Gauge, "",
              "Local ports in use for a destination, of those that connect() chooses from.");
  for (const PortUse& use : ports_) page.add(labels(use), number(use.used));
  page.family("tcpdwell_ports_limit", Kind::Gauge, "",
              "Local ports that connect() chooses from for a destination.");
  for (const PortUse& use : ports_) page.add(labels(use), number(use.capacity()));
  page.family("tcpdwell_ports_exhausted_in_seconds", Kind::Gauge, "seconds",
              "When no local port is left for a destination; absent if no such time is in sight.");
  for (const PortUse& use : ports_)
    if (use.forecast.runs_out_in) page.add(labels(use), seconds(*use.forecast.runs_out_in));
}

void Metrics::add_dwells(PageBuilder& page) const {
  std::array<std::shared_ptr<const DwellHistogram>, kStates> dwells;
  for (const State state : kDwellOrder)
    dwells[index(state)] = std::make_shared<const DwellHistogram>(dwells_[index(state)]);
  const auto label = [](State state) { return Labels{{"state", std::string(name(state))}}; };
  page.family("tcpdwell_dwell_seconds", Kind::Native, "seconds",
              "How long connections stayed in a state, from those that left it: native histogram.");
  for (const State state : kDwellOrder) page.add(label(state), dwells[index(state)]);
  page.family("tcpdwell_dwell_inexact_total", Kind::Counter, "",
              "Connections that left a state whose dwell is not known exactly enough.");
  for (const State state : kDwellOrder) page.add(label(state), number(inexact_[index(state)]));
  page.family("tcpdwell_dwell_classic_seconds", Kind::Classic, "seconds",
              "How long connections stayed in a state, from those that left it.");
  for (const State state : kDwellOrder) page.add(label(state), dwells[index(state)]);
}

Page Metrics::page(Nanos now, const Lifecycle& lifecycle) {
  PageBuilder page(config_.most_series);
  add_health(page, lifecycle);
  add_stuck(page, now);
  add_connections(page);
  add_ends(page);
  add_ports(page);
  add_dwells(page);
  series_dropped_ += page.dropped();
  return page.take();
}

}  // namespace tcpdwell::exporter
