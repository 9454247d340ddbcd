// SPDX-License-Identifier: Apache-2.0
// What the screen shows: a copy of what the model knows at one time. The view reads nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leaks/leak_groups.h"
#include "model/record.h"
#include "sinks/explain.h"
#include "stats/stats_record.h"

namespace tcpdwell::top {

// How connections are sorted.
enum class Sort : std::uint8_t { Age, State, LocalPort, Peer, Owner };
inline constexpr std::array kSorts = {Sort::Age, Sort::State, Sort::LocalPort, Sort::Peer,
                                      Sort::Owner};
// "age", "state", "local port", "peer", "owner"
std::string_view name(Sort sort);
// By what connections are summed up.
enum class By : std::uint8_t { Owner, Service, Port, Peer, Netns };
inline constexpr std::array kBys = {By::Owner, By::Service, By::Port, By::Peer, By::Netns};
// "owner", "service", "port", "peer", "namespace"
std::string_view name(By by);

using Counts = std::array<std::uint64_t, kStates>;  // by State

// How near the connections in a state are to the threshold of its flag.
struct Near {
  State state = State::CloseWait;
  Nanos threshold{};
  std::uint64_t sockets = 0;
  Nanos oldest{};  // a lower bound if some began before the run
};

// The numbers of connections at one time.
struct Sample {
  Nanos at{};
  Counts now{};
};

// One connection. All texts are printable.
struct Row {
  std::uint64_t key = 0;  // OpenConnection::key()
  Flow flow;
  State state = State::Established;
  bool flagged = false;
  Dwell age;
  std::string owner;    // "nginx[7]"; empty: not known
  std::string service;  // "nginx.service"; empty: none or not known
};

// Connections that have something in common.
struct Sum {
  std::string key;   // of the model; opaque
  std::string text;  // printable; "-": not known
  std::string word;  // finds its connections, if typed after "/"; empty: nothing does
  Counts now{};
  std::uint64_t all = 0, flagged = 0;
  Nanos oldest{};  // time in its state of the oldest one
};

// Stuck sockets that have one reason.
struct Stuck {
  LeakGroup group;
  Explanation text;
  std::vector<std::string> where;  // lines of code
};

// One connection in full.
struct Detail {
  SocketInfo socket;   // without its cgroup
  std::string cgroup;  // untrusted
  State state = State::Established;
  bool open = true;  // false: its end has been seen; the rest is as of before
  Dwell age;
  std::optional<Nanos> at_most;
  std::array<StateTime, kStates> times;  // in the states that it has left
  Side opened_by = Side::Unknown;
  std::optional<FlagRecord> flag;  // raised, its age as of now; nullopt: it is not flagged
  std::string flag_cgroup;         // of `flag`
  Nanos asked{};                   // when the kernel was asked for what `flag` says
  std::optional<Stuck> stuck;      // what to say about `flag`
};

struct Look {
  When when;
  bool whole = false;  // false: the sockets that are older than the run are being listed
  Counts now{};
  std::vector<Sample> history;  // of the last minutes, the latest one last
  std::uint64_t lost = 0, evicted = 0, unseen = 0;

  std::uint64_t flagged = 0;      // stuck sockets, whether they match or not
  std::vector<Stuck> stuck;       // worst first
  std::vector<FlagRecord> flags;  // LeakGroup::members are indexes of it; their cgroups are empty
  std::vector<Near> near;

  std::vector<PortUse> ports;  // worth a line
  std::optional<PortUse> most_used;
  std::vector<FailedConnectsRecord> connects_failed;

  std::vector<Row> rows;       // the first of `matching`
  std::uint64_t matching = 0;  // without listeners, unless they were asked for
  std::uint64_t open = 0;      // all
  std::vector<Sum> sums;       // instead of rows
  std::optional<Detail> detail;
};

// Identify lines of the screen across looks.
std::string key_of(const PortUse& use);
std::string key_of(const FlagRecord& flag);

}  // namespace tcpdwell::top
