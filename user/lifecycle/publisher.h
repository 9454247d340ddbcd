// SPDX-License-Identifier: Apache-2.0
// From a connection's transitions to records: adds wall-clock time and cgroup path, and holds the
// records until it is decided whether the run is about the connection. Changes no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lifecycle/cgroup_paths.h"
#include "lifecycle/connection.h"
#include "lifecycle/dwell_book.h"
#include "lifecycle/filter.h"
#include "lifecycle/table.h"
#include "model/record.h"

namespace tcpdwell {

class Publisher {
 public:
  // All must outlive it.
  Publisher(const Filter& filter, Sink& sink, ConnectionTable& table, DwellBook& dwells)
      : filter_(filter), sink_(sink), needs_(sink.needs()), table_(table), dwells_(dwells) {}

  // The first transition of a connection, which has no dwell: CLOSED or LISTEN to its state.
  void opened(Connection& connection, State from, Why why);
  // A later one, as DwellBook::move() returned it.
  void moved(Connection& connection, const HeldTransition& change) { publish(connection, change); }
  // The life of the connection is over with `last`, which led to CLOSED.
  void ended(Connection& connection, const HeldTransition& last, Ended ended,
             std::optional<TimeWaitEnded> time_wait);

  // `record` but for when and whose. False: the run is not about this connection.
  bool flagged(Connection& connection, Nanos at, FlagRecord record);

  // The same of a socket that is no connection of the table's any more; `socket` has no cgroup.
  void flagged(const SocketInfo& socket, std::uint64_t cgroup_id, Nanos at, FlagRecord record);
  // What such a flag says of it later.
  SocketInfo described(const Connection& connection) const;
  std::uint64_t cgroup_id_of(const Connection& connection) const;
  // Whether the run is about a socket that no connection of the table is known of. NotYet: the path
  // of its cgroup is asked for.
  Verdict judge(const SocketInfo& socket, std::uint64_t cgroup_id);
  // The same of one that waits in an accept queue, whether or not it is in the table; `record` but
  // for when and the cgroup. It is about a process if that holds the listener.
  bool queued(const QueuedChild& child, bool followed, Nanos at, FlagRecord record);
  // ... and of one that was shown, and waits no longer.
  void left_queue(const QueuedChild& child, Nanos at, FlagRecord record);

  // Something became known (flow, owner, cgroup): decides, if it can be, and lets go of what was
  // held. `complete`: what is missing now will not come.
  void reconsider(Connection& connection, bool complete) {
    if (connection.verdict != Verdict::Show || !connection.announced || connection.extra != 0)
      decide(connection, complete);
  }

  // The run is about it, if nothing more becomes known.
  bool passes(const Connection& connection) const;
  const std::string* known_path_of(const Connection& connection) const;  // nullptr: not known

  bool wants_failures_at_once() const { return needs_.failures_at_once; }
  void connects_failed(const FailedConnectsRecord& failed) {
    if (filter_.wants(failed)) sink_.write(failed);
  }
  void lost(const LossEvent& event, std::uint64_t resynced);
  void suspended(const SuspendEvent& event);
  void clock(Nanos offset) { clock_offset_ = offset; }
  When when(Nanos at) const { return {at, clock_offset_.count() ? at + clock_offset_ : Nanos{0}}; }

  // What the run was about so far; `open` is not counted.
  const EndRecord::Passed& passed() const { return passed_; }

  CgroupPaths& cgroups() { return cgroups_; }
  const Filter& filter() const { return filter_; }

 private:
  // Sets its time; a suspension that it spans becomes part of its error.
  void date(FlagRecord& flag, Nanos at) const;
  const std::string* path_of(const Connection& connection) {
    return cgroups_.path_of(cgroup_id_of(connection));
  }
  void describe(const Connection& connection, bool owned, SocketInfo& info);
  std::optional<Owner> owner_of(const Connection& connection) const;
  void decide(Connection& connection, bool complete);
  Verdict judge(const Connection& connection, bool complete, const std::string* path) const;
  bool needs_path(const Connection& connection, bool complete) const;
  void publish(Connection& connection, const HeldTransition& change);
  void tell(const Connection& connection, const HeldTransition& change);
  void let_go(Connection& connection);

  const Filter& filter_;
  Sink& sink_;
  const Sink::Needs needs_;
  ConnectionTable& table_;
  DwellBook& dwells_;
  Nanos clock_offset_{};
  EndRecord::Passed passed_;
  // It is not small, and every field of it is written for each that is told.
  Record told_{std::in_place_type<TransitionRecord>};
  CgroupPaths cgroups_;
};

}  // namespace tcpdwell
