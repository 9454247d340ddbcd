// SPDX-License-Identifier: Apache-2.0
#include "report/port_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/html.h"
#include "sinks/stats_text.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

bool same_destination(const PortUse& a, const PortUse& b) {
  return a.remote == b.remote && a.site.local == b.site.local && a.site.netns == b.site.netns;
}

// "3 connect() calls of poller[12565] found no free port (EADDRNOTAVAIL), the first at 03:04:05."
std::string failed_sentence(const ReportData& data, const PortUse& use) {
  std::string text = "<b>" + format_count(use.failed, "connect() call") + "</b>";
  const PortCurve* curve = curve_of(data, use);
  if (curve != nullptr)
    for (const Process& process : curve->failing)
      text += (&process == &curve->failing.front() ? " of <b>" : ", <b>") +
              html(format_process(process)) + "</b>";
  text += " found no free port (EADDRNOTAVAIL)";
  if (curve != nullptr && curve->first_failed)
    text += ", the first at " + clock_text(data.when(*curve->first_failed));
  return text + ".";
}

std::string runs_out_sentence(const ReportData& data, const PortForecast& forecast) {
  const Nanos in = forecast.runs_out_in.value_or(Nanos{0});
  std::string text =
      fmt::format("{}, no port is left <b>in {}</b>, at {}",
                  forecast.if_held ? "If none is closed and they grow as before" : "At this rate",
                  whole_seconds(in), clock_text(data.when(data.end.mono + in)));
  if (forecast.earliest && forecast.latest)
    text += fmt::format(" (at the highest rate of the last minute in {}, at the lowest in {})",
                        whole_seconds(*forecast.earliest), whole_seconds(*forecast.latest));
  return text + ".";
}

}  // namespace

std::string whole_seconds(Nanos time) {
  return round_duration(std::chrono::round<std::chrono::seconds>(time));
}

PortUse use_at_end(const ReportData& data, const PortCurve& curve) {
  for (const PortUse& use : data.stats.ports)
    if (same_destination(use, curve.use)) return use;
  if (curve.at == data.end.mono) return curve.use;
  PortUse none = curve.use;
  none.used = none.reusable = 0;
  none.states = {};
  none.forecast = {};
  return none;
}

const PortCurve* curve_of(const ReportData& data, const PortUse& use) {
  const auto it = std::find_if(data.ports.begin(), data.ports.end(), [&](const PortCurve& curve) {
    return same_destination(curve.use, use);
  });
  return it == data.ports.end() ? nullptr : &*it;
}

std::string use_sentence(const PortUse& use) {
  std::string text =
      fmt::format("<b>{} of {} ports</b> are in use from {} to <b>{}</b>", format_number(use.used),
                  use.capacity() == 0 ? "an unknown number of" : format_number(use.capacity()),
                  html(format_address({use.site.local, 0}, use.site.family)),
                  html(format_endpoint(use.remote, use.site.family)));
  if (const std::string states = states_text(use); !states.empty())
    text += " (" + html(states) + ")";
  return text + ".";
}

std::string outlook_sentence(const ReportData& data, const PortUse& use) {
  if (use.failed != 0) return failed_sentence(data, use);
  if (use.forecast.outlook == Outlook::RunsOut) return runs_out_sentence(data, use.forecast);
  if (use.forecast.outlook == Outlook::Unknown) return "";
  return "Forecast: " + html(forecast_text(use, true)) + ".";
}

std::string warning_sentence(const ReportData& data, const PortCurve& curve) {
  if (!curve.warning || curve.warned == data.end.mono) return "";
  const PortForecast& forecast = curve.warning->forecast;
  const Nanos in = forecast.runs_out_in.value_or(Nanos{0});
  return fmt::format(
      "A forecast first warned at <b>{}</b>, with {} in use: no port left in {}, at {}{}.",
      clock_text(data.when(curve.warned)), format_number(curve.warning->used), whole_seconds(in),
      clock_text(data.when(curve.warned + in)), forecast.if_held ? ", if none is closed" : "");
}

std::string ports_advice(const PortUse& use) {
  const std::uint32_t waiting = use.states[index(State::TimeWait)];
  if (waiting * 2 >= use.used)
    return "keep connections open and use them again: each that this host closes first keeps its "
           "port for another minute. More ports: net.ipv4.ip_local_port_range. With "
           "net.ipv4.tcp_tw_reuse=1 and TCP timestamps, connect() may take ports that have been in "
           "TIME_WAIT for a second.";
  return "find out why connections to this destination stay open: the timeline, grouped by peer, "
         "shows them.";
}

}  // namespace tcpdwell::reporting
