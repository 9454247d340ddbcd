// SPDX-License-Identifier: Apache-2.0
// Findings about losses, and about what the recording cannot tell.
#include <fmt/format.h>

#include <algorithm>

#include "report/findings.h"
#include "report/html.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

void add_losses(const ReportData& data, std::vector<Finding>& all) {
  const EndRecord& end = data.totals;
  std::uint64_t inexact = 0, left = 0, resynced = 0;
  for (const StateUse& state : data.states) {
    inexact += state.inexact;
    left += state.left;
  }
  for (const LostRecord& lost : data.losses) resynced += lost.resynced;
  if (end.lost != 0)
    all.push_back(
        {Weight::Doubtful,
         fmt::format("<b>{} were lost</b>, {} of them transitions{}. A snapshot corrected {}; "
                     "{} of {} dwells are not exact.",
                     format_count(end.lost, "event"), format_number(end.transitions_lost),
                     data.losses.empty()
                         ? std::string()
                         : fmt::format(", first at {}", clock_text(data.losses.front().when)),
                     format_count(resynced, "connection"), format_number(inexact),
                     format_number(left)),
         "limits"});
  if (end.unseen != 0)
    all.push_back({Weight::Doubtful,
                   fmt::format("The kernel hid at least <b>{}</b> from BPF.",
                               format_count(end.unseen, "transition")),
                   "limits"});
  if (end.evicted != 0)
    all.push_back({Weight::Doubtful,
                   fmt::format("--max-connections dropped <b>{}</b> before they ended.",
                               format_count(end.evicted, "connection")),
                   "limits"});
  Nanos suspended{};
  for (const ClockRecord& clock : data.suspensions) suspended += clock.suspended;
  if (suspended != Nanos{0})
    all.push_back({Weight::Doubtful,
                   fmt::format("The host was <b>suspended</b> for {}: dwells exclude that time.",
                               format_duration(suspended)),
                   "limits"});
}

void add_recording(const ReportData& data, std::vector<Finding>& all) {
  const Limits& limits = data.limits;
  const auto add = [&](const std::string& text) {
    all.push_back({Weight::Doubtful, text, "limits"});
  };
  if (limits.begins_late)
    add("Older files of the recording are missing: it begins with the sockets that were open "
        "then.");
  if (limits.truncated) add("The recording is cut off: the report ends there.");
  if (limits.interrupted) add("The replay was interrupted: the report ends there.");
  if (limits.reached_max_size) add("The recording reached its --max-size before the run ended.");
  if (limits.damaged != 0)
    add(fmt::format("{} of the recording are damaged and were skipped.",
                    format_count(limits.damaged, "frame")));
  if (limits.unsure_flags != 0)
    add(fmt::format("{} of too many groups have no curve.",
                    format_count(limits.unsure_flags, "flag")));
}

}  // namespace

std::vector<Finding> limit_findings(const ReportData& data) {
  std::vector<Finding> all;
  add_losses(data, all);
  add_recording(data, all);
  return all;
}

}  // namespace tcpdwell::reporting
