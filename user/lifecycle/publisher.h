// SPDX-License-Identifier: Apache-2.0
// Writes a connection's transitions as records: adds wall-clock time and cgroup path, and holds
// them until the filter has decided about the connection. Changes no TCP state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lifecycle/cgroup_paths.h"
#include "lifecycle/code_places.h"
#include "lifecycle/connection.h"
#include "lifecycle/dwell_book.h"
#include "lifecycle/filter.h"
#include "lifecycle/full_listeners.h"
#include "lifecycle/table.h"
#include "model/record.h"

namespace tcpdwell {

class Publisher {
 public:
  // All arguments must outlive this object.
  Publisher(const Filter& filter, Sink& sink, ConnectionTable& table, DwellBook& dwells)
      : filter_(filter), sink_(sink), needs_(sink.needs()), table_(table), dwells_(dwells) {}

  // Publishes the first transition of a connection, from CLOSED or LISTEN. It has no dwell.
  void opened(Connection& connection, State from, Why why);
  // Publishes a later transition, as DwellBook::move() returned it.
  void moved(Connection& connection, const HeldTransition& change) { publish(connection, change); }
  // Publishes the end of the connection; `last` is its transition to CLOSED.
  void ended(Connection& connection, const HeldTransition& last, Ended ended,
             std::optional<TimeWaitEnded> time_wait);

  // Publishes `record`, after filling in time and socket. False: the filter does not show the
  // connection.
  bool flagged(Connection& connection, Nanos at, FlagRecord record);

  // Same for a socket that left the table; `socket` has no cgroup.
  void flagged(const SocketInfo& socket, std::uint64_t cgroup_id, Nanos at, FlagRecord record);
  // For a flag after the connection has left the table. Without cgroup.
  SocketInfo socket_info(const Connection& connection) const;
  std::uint64_t cgroup_id_of(const Connection& connection) const;
  // Filters a socket that is not in the table. NotYet: the path of its cgroup is asked for.
  Verdict judge(const SocketInfo& socket, std::uint64_t cgroup_id);
  // Publishes `record` for a connection in an accept queue, whether or not it is in the table,
  // after filling in time and cgroup. The holders of the listener count as owners. False: filtered
  // out.
  bool queued(const QueuedChild& child, bool followed, Nanos at, FlagRecord record);
  // Same when the connection has left the queue, after queued() returned true.
  void left_queue(const QueuedChild& child, Nanos at, FlagRecord record);

  // Flow, owner or cgroup became known: applies the filter, and flushes held records once it has
  // decided. `complete`: nothing more will become known.
  void reconsider(Connection& connection, bool complete) {
    if (connection.verdict != Verdict::Show || !connection.announced || connection.cold != 0)
      decide(connection, complete);
  }

  // True if the connection passes the filter with what is known now.
  bool passes(const Connection& connection) const;
  const std::string* known_path_of(const Connection& connection) const;  // nullptr: not known

  // The time in its present state, as of `now`.
  Dwell age_of(const Connection& connection, Nanos now) const;

  bool wants_failures_at_once() const { return needs_.failures_at_once; }
  bool wants_full_queues() const { return needs_.full_queues; }
  void connects_failed(const FailedConnectsRecord& failed) {
    if (filter_.wants(failed)) sink_.write(failed);
  }
  // A handshake whose SYN or SYN-ACK was sent again is published with it. Whether or not the filter
  // shows the listener.
  void saw_full(const FullQueue& queue, Nanos at) { full_listeners_.saw(queue, at); }
  void lost(const LossEvent& event, std::uint64_t resynced);
  void suspended(const SuspendEvent& event);
  void clock(Nanos offset) { clock_offset_ = offset; }
  When when(Nanos at) const { return {at, clock_offset_.count() ? at + clock_offset_ : Nanos{0}}; }

  // Connections and transitions that passed the filter so far; `open` is not counted.
  const EndRecord::Passed& passed() const { return passed_; }

  CgroupPaths& cgroups() { return cgroups_; }
  CodePlaces& code_places() { return code_places_; }
  const CgroupPaths& cgroups() const { return cgroups_; }
  const Filter& filter() const { return filter_; }

 private:
  // Sets the time of `flag`; adds suspensions of the host to its error.
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
  void write(const Connection& connection, const HeldTransition& change);
  void flush_held(Connection& connection);

  const Filter& filter_;
  Sink& sink_;
  const Sink::Needs needs_;
  ConnectionTable& table_;
  DwellBook& dwells_;
  Nanos clock_offset_{};
  EndRecord::Passed passed_;
  // Reused for each transition, since a record is large. write() sets every field.
  Record record_{std::in_place_type<TransitionRecord>};
  CgroupPaths cgroups_;
  FullListeners full_listeners_;
  CodePlaces code_places_;
};

}  // namespace tcpdwell
