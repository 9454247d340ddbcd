// SPDX-License-Identifier: Apache-2.0
// What `stats` says at the end of an interval, and of a run: the JSON object `stats`, field for
// field.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lifecycle/connection.h"
#include "stats/histogram.h"
#include "stats/port_forecast.h"
#include "model/port_ranges.h"
#include "model/record.h"

namespace tcpdwell {

// What connections are grouped by.
enum class GroupBy : std::uint8_t {
  State,  // one group: all
  LocalPort,
  RemotePort,
  Remote,  // the peer's address
  Owner,   // the name (comm) of the process; all that have one name are one
  Cgroup,
  Netns,  // its inode number
};
// "lport"
std::string_view name(GroupBy by);
std::optional<GroupBy> parse_group_by(std::string_view text);

// Exact dwells only: `count` of them. All 0 if there are none.
struct DwellSpread {
  std::uint64_t count = 0;
  Nanos min{}, p50{}, p90{}, p99{}, max{};
};

struct StatsRow {
  std::optional<std::string> key;  // of the group: untrusted bytes; nullopt: not known
  bool other = false;              // all groups that have no rows of their own
  State state = State::Established;
  std::uint64_t entered = 0, left = 0;
  std::uint64_t now = 0;
  // Connections whose flag for this state was open at some time of the interval.
  std::uint64_t flagged = 0;
  // Of those that left: how many have a dwell that is a lower bound, or known less well than the
  // histogram would keep it.
  std::uint64_t inexact = 0;
  DwellSpread dwell;
};

// Ports that a local address has in use to one destination.
struct PortUse {
  Site site;
  Endpoint remote;
  std::uint32_t used = 0;                       // that connect() cannot choose now
  std::uint32_t reusable = 0;                   // in TIME_WAIT, and connect() may take them over
  std::array<std::uint32_t, kStates> states{};  // `used` and `reusable`, by State
  PortRange range;
  std::uint32_t bound = 0;   // of range.size(): somebody bound them
  std::uint64_t failed = 0;  // connects that found no port, in the interval
  PortForecast forecast;
  std::uint32_t capacity() const { return range.size() - bound; }
};

struct StatsRecord {
  When when;
  Nanos interval{};
  GroupBy by = GroupBy::State;
  bool total = false;          // of the whole run
  std::vector<StatsRow> rows;  // the busiest group first, its states in the order of a life
  std::vector<PortUse> ports;  // what fails or will fail first, then the fullest
  std::vector<FailedConnectsRecord> connects_failed;  // in the interval; by process and reason
  // All dwells in the state that was asked for, of all groups; nullopt: none was.
  std::optional<std::pair<State, Histogram>> histogram;
};

class StatsOutput {
 public:
  virtual ~StatsOutput() = default;
  virtual void write(const StatsRecord& record) noexcept = 0;
};

}  // namespace tcpdwell
