// SPDX-License-Identifier: Apache-2.0
// Flags of state CLOSED: the connection is over, and a process still holds its descriptor. The last
// transition of such a socket says that it is held; no event says when it is closed. So the socket
// is kept, and all descriptors are looked at when its threshold has passed (DeadEvent). The look
// finds also sockets that are older than the trace, and those whose end was lost.
//
// The threshold counts from the end of the connection, or from the last read of data that came
// before it: a process that still reads does not leak.
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

  // All must outlive it.
  DeadFlags(const LifecycleConfig& config, const ConnectionTable& table, Publisher& publisher,
            Flags& flags)
      : config_(config), table_(table), publisher_(publisher), flags_(flags) {}

  // Of CLOSED; nullopt: no descriptor is watched.
  std::optional<Nanos> threshold() const { return config_.thresholds.of[index(State::Closed)]; }

  // What to keep of the connection that `event` ends; nullopt: no process holds it, or the run is
  // not about it. Call it before the connection leaves the table, keep() after that.
  std::optional<Entry> entry_of(Id id, const TransitionEvent& event) const;
  void keep(const std::optional<Entry>& entry);
  // connect() or listen() on the same descriptor.
  void used_again(std::uint64_t cookie, Nanos at);
  // A socket may have ended unseen.
  void want_look(Nanos at) { dead_.want_look(at); }

  // When a look at all descriptors is due; nullopt: nothing is waited for.
  std::optional<Nanos> look_due();
  // Looks within this time may be one.
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
