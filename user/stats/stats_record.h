// SPDX-License-Identifier: Apache-2.0
// The result of `stats` at the end of an interval and of a run. Matches the JSON object `stats`
// field for field.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lifecycle/connection.h"
#include "model/full_queue.h"
#include "model/port_ranges.h"
#include "model/record.h"
#include "stats/histogram.h"
#include "stats/port_forecast.h"

namespace tcpdwell {

// The property by which connections are grouped.
enum class GroupBy : std::uint8_t {
  State,  // all connections in one group
  LocalPort,
  RemotePort,
  Remote,  // the peer's address
  Owner,   // the comm of the process; processes with the same comm form one group
  Cgroup,
  Netns,     // its inode number
  Port,      // of the service: a client's remote port, the local port of a server or listener
  Pid,       // of the owner
  ClosedBy,  // who sent FIN or RST first; connections count when they end
};
// "lport"
std::string_view name(GroupBy by);
std::optional<GroupBy> parse_group_by(std::string_view text);
std::vector<std::string> group_names();

// Percentiles of exact dwells only; `count` of them. All fields are 0 if there are none.
struct DwellSpread {
  std::uint64_t count = 0;
  Nanos min{}, p50{}, p90{}, p99{}, max{};
};

struct StatsRow {
  std::optional<std::string> key;  // of the group: untrusted bytes; nullopt: not known
  bool other = false;              // the sum of all groups without rows of their own
  State state = State::Established;
  std::uint64_t entered = 0, left = 0;
  std::uint64_t now = 0;
  // Connections whose flag for this state was raised at some time in the interval.
  std::uint64_t flagged = 0;
  // Of those that left: dwells that are lower bounds, or whose error exceeds the resolution of the
  // histogram.
  std::uint64_t inexact = 0;
  DwellSpread dwell;
  // Histogram::buckets() of the exact dwells; nullopt: not asked for.
  std::optional<std::vector<std::pair<Nanos, std::uint64_t>>> buckets;
};

// The ports in use from one local address to one destination.
struct PortUse {
  Site site;
  Endpoint remote;
  std::uint32_t used = 0;                       // ports that connect() cannot choose now
  std::uint32_t reusable = 0;                   // in TIME_WAIT, but connect() may reuse them
  std::array<std::uint32_t, kStates> states{};  // `used` and `reusable`, by State
  PortRange range;
  std::uint32_t bound = 0;   // bound ports of the range
  std::uint64_t failed = 0;  // connect() calls that found no port, in the interval
  PortForecast forecast;
  std::uint32_t capacity() const { return range.size() - bound; }
};

struct StatsRecord {
  When when;
  Nanos interval{};
  GroupBy by = GroupBy::State;
  bool total = false;          // about the whole run
  std::uint64_t open = 0;      // connections, before any filter; not in JSON
  std::vector<StatsRow> rows;  // busiest group first; states in the order of kDwellOrder
  std::vector<PortUse> ports;  // first those that fail or will fail, then by ports in use
  std::vector<FailedConnectsRecord> connects_failed;  // in the interval; by process and reason
  // Handshakes that ended in the interval and sent their SYN or SYN-ACK again. nullopt: not
  // counted.
  std::optional<std::uint64_t> handshakes_retransmitted;
  // FullQueueLog::all()
  std::optional<std::vector<FullQueue>> accept_queues_full;
  // The dwells of all groups in StatsConfig::histogram; nullopt: none was requested.
  std::optional<std::pair<State, Histogram>> histogram;
};

class StatsOutput {
 public:
  virtual ~StatsOutput() = default;
  virtual void write(const StatsRecord& record) noexcept = 0;
};

}  // namespace tcpdwell
