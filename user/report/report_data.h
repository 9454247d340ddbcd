// SPDX-License-Identifier: Apache-2.0
// All that a report shows, collected from a run. The writers of the page and of the trace read
// nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leaks/leak_groups.h"
#include "model/record.h"
#include "report/lives.h"
#include "report/services.h"
#include "sinks/explain.h"
#include "stats/stats_record.h"

namespace tcpdwell::reporting {

using Counts = std::array<std::uint32_t, kStates>;  // by State

// Equal bins from `begin` to the end of the run.
struct Series {
  Nanos begin{}, step{};
  std::vector<Counts> now;                    // open connections at the end of each bin
  std::vector<std::uint64_t> opened, closed;  // connections, in each bin
  std::size_t size() const { return now.size(); }
  Nanos end_of(std::size_t bin) const {
    return begin + step * (static_cast<std::int64_t>(bin) + 1);
  }
};

// How a group of stuck sockets grew: all with equal holders, state, cause and port, whatever their
// peers.
struct Growth {
  LeakGroup example;                             // of its first flag
  std::string service;                           // printable; empty: not known
  std::uint64_t raised = 0, open = 0, most = 0;  // flags: ever, at the end, at once
  Nanos threshold{};
  Nanos first_entered{}, last_raised{}, last_cleared{};
  // At the end of each bin: in the state, counting only sockets that were flagged at some time; and
  // of these, past the threshold.
  std::vector<std::uint64_t> entered, past;
};

// Sockets that are stuck at the end for one reason.
struct StuckGroup {
  LeakGroup group;
  Explanation text;
  std::vector<std::string> where;  // lines of code; printable
  std::string main_where;          // of these, the one that tells most
  std::string service;             // printable; empty: not known
  Nanos threshold{};
  std::optional<std::size_t> growth;  // its index
};

// The ports in use to one destination.
struct PortCurve {
  PortUse use;                      // at its last sample
  Nanos at{};                       // of its last sample
  std::vector<std::uint32_t> used;  // at the end of each bin
  // The first sample with a forecast that the ports run out, unless a later forecast said that they
  // last.
  std::optional<PortUse> warning;
  Nanos warned{};
  std::optional<Nanos> first_failed;  // connect() that found no port
  std::vector<Process> failing;       // the first processes whose connect() found no port
};

struct Limits {  // what the recording does not tell
  bool begins_late = false, truncated = false, reached_max_size = false, interrupted = false;
  std::uint64_t damaged = 0;       // frames
  std::uint64_t unsure_flags = 0;  // flags of groups that have no curve
};

struct ReportData {
  StartRecord start;
  When begin, end;  // of what the report covers
  EndRecord totals;
  std::string source;  // "host.tdw"; printable; empty: this host
  std::string version;
  StatsRecord stats;  // as `stats --json` prints it at the end
  Series series;
  std::array<std::array<std::uint64_t, kStates>, kStates> edges{};  // transitions, [from][to]
  std::array<StateUse, kStates> states;                             // of all services
  std::vector<Service> services;                                    // the busiest first
  std::vector<Services::Id> places;  // of the services, by the ids of lives
  std::vector<StuckGroup> stuck;     // as `leaks` lists them
  std::vector<Growth> growth;        // most sockets first
  std::vector<WatchedState> watched;
  std::vector<PortCurve> ports;
  std::array<std::array<std::uint64_t, kSynsSent>, 2> syns{};  // by SYNs sent, [client, server]
  std::vector<LostRecord> losses;                              // the first kMostLosses
  std::vector<ClockRecord> suspensions;
  std::vector<Life> lives;
  std::uint64_t flagged_lives = 0;
  double one_of = 1;                  // each life without a flag stands for so many
  std::uint64_t ended = 0, open = 0;  // connections, listeners included
  Limits limits;

  static constexpr std::size_t kMostLosses = 200;
  std::uint64_t connections() const { return ended + open; }
  Nanos length() const { return end.mono - begin.mono; }
  When when(Nanos at) const {
    return {at, end.unix_time == Nanos{0} ? Nanos{0} : end.unix_time + (at - end.mono)};
  }
};

}  // namespace tcpdwell::reporting
