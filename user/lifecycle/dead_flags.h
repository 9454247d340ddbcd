// SPDX-License-Identifier: Apache-2.0
// Flags of state CLOSED: the connection is over, but a process still holds its descriptor. The last
// transition shows that the socket is held; no event shows its close. So the entry is kept, and
// after the threshold all descriptors are scanned (DeadEvent). The scan also finds sockets that are
// older than the trace, and sockets whose end was lost.
//
// The threshold counts from the end of the connection or, if later, from the last read of remaining
// data: a process that still reads does not leak.
#pragma once

#include <optional>

#include "lifecycle/dead_descriptors.h"
#include "lifecycle/flags.h"
#include "lifecycle/lifecycle_config.h"
#include "lifecycle/publisher.h"
#include "lifecycle/table.h"

namespace tcpdwell {

class DeadFlags {
 public:
  using Id = ConnectionTable::Id;
  using Entry = DeadDescriptors::Entry;

  // All arguments must outlive this object.
  DeadFlags(const LifecycleConfig& config, const ConnectionTable& table, Publisher& publisher,
            Flags& flags)
      : config_(config), table_(table), publisher_(publisher), flags_(flags) {}

  // Threshold of CLOSED; nullopt: no descriptor is watched.
  std::optional<Nanos> threshold() const { return config_.thresholds.of[index(State::Closed)]; }

  // The entry to keep for the connection that `event` ends. nullopt: no process holds the socket,
  // or the filter hides it. Call it before the connection leaves the table, and keep() after that.
  std::optional<Entry> entry_of(Id id, const TransitionEvent& event) const;
  void keep(const std::optional<Entry>& entry);
  // connect() or listen() was called on the same socket again.
  void used_again(std::uint64_t cookie, Nanos at);
  // A socket may have ended unseen: scan at `at`.
  void want_look(Nanos at) { dead_.want_look(at); }

  // When the next scan of all descriptors is due; nullopt: none.
  std::optional<Nanos> look_due();
  // Scans due within this time may be combined.
  Nanos looks_apart() const;
  void looked(const DeadEvent& event);

  const Entry* find(std::uint64_t cookie) { return dead_.find(cookie); }
  // `run`: the descriptor was closed at `at`.
  void released(const Entry& entry, Nanos at);
  // The flag of `entry` as of `at`, without its cause.
  FlagRecord flag_of(const Entry& entry, Nanos at) const;
  void add_watched(Nanos now, WatchedState& closed) const;

 private:
  void found(const DeadSocket& socket, Nanos look);
  Entry* known(const DeadSocket& socket);
  std::optional<Entry> older(const DeadSocket& socket) const;
  void raise(Entry& entry, const DeadSocket& socket);
  void clear(const Entry& entry, Nanos at, Nanos error);

  const LifecycleConfig& config_;
  const ConnectionTable& table_;
  Publisher& publisher_;
  Flags& flags_;
  DeadDescriptors dead_;
};

}  // namespace tcpdwell
