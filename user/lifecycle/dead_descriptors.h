// SPDX-License-Identifier: Apache-2.0
// Sockets whose connection is over while a process still holds them: what is known of each, and
// when it is time to look which of them are still there. Closing one makes no event, so only a look
// at all descriptors tells. Pure.
//
// Bounded: beyond kMost a socket that ends is not kept, and a look is due soon. That look finds it,
// if it is there still, and dates it from what the kernel keeps.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "model/record.h"

namespace tcpdwell {

class DeadDescriptors {
 public:
  static constexpr std::size_t kMost = 65536;

  struct Entry {
    SocketInfo socket;  // without its cgroup
    std::uint64_t cgroup_id = 0;
    Nanos ended{};                    // at the latest
    std::optional<Nanos> error;       // of `ended`; nullopt: it may have ended before
    std::optional<Nanos> not_before;  // ... but not before this
    Ended how = Ended::Unknown;
    bool connected = true;  // else connect() failed
    bool mptcp = false;
    bool at_once = false;  // another flag of it stood: its threshold has passed already
    bool raised = false;
    bool decided = true;        // the run is about it
    Cause cause = Cause::None;  // of the raised flag
    Nanos found{};              // when the last look that found it began
    Nanos due{};                // when it wants to be looked at

    // As it is told: the kernel address that tells an MPTCP socket apart is no cookie.
    SocketInfo shown() const {
      SocketInfo info = socket;
      if (mptcp && info.cookie >> 63U != 0) info.cookie = 0;
      return info;
    }
  };

  // False: there is no room. One that a look has found is always kept.
  bool add(const Entry& entry, bool found = false);
  Entry* find(std::uint64_t cookie);
  void erase(std::uint64_t cookie);
  void put_off(Entry& entry, Nanos due);
  void raise(Entry& entry, Cause cause);
  // Some socket may have ended unseen: a look at `at` would tell.
  void want_look(Nanos at);

  // When the next look is due; nullopt: nothing is waited for. `again`: how often those that are
  // raised are looked at.
  std::optional<Nanos> due(Nanos again);
  // The look that began at `at` is applied: calls closed(entry) for each that it did not find, and
  // that was over before it began, and drops those.
  template <typename Closed>
  void looked(Nanos at, Closed&& closed) {
    std::vector<std::uint64_t> gone;
    for (const auto& [cookie, entry] : entries_)
      if (entry.found < at && entry.ended < at) gone.push_back(cookie);
    std::sort(gone.begin(), gone.end());  // the map's order is another one in a replay
    for (const std::uint64_t cookie : gone) {
      closed(entries_.at(cookie));
      erase(cookie);
    }
    last_look_ = at;
    if (wanted_ && *wanted_ <= at) wanted_.reset();
  }
  template <typename Look>
  void for_each(Look&& look) const {
    for (const auto& [cookie, entry] : entries_) look(entry);
  }

 private:
  using Deadline = std::pair<Nanos, std::uint64_t>;

  absl::flat_hash_map<std::uint64_t, Entry> entries_;  // by cookie
  // An entry that was put off, raised or dropped leaves its old deadline behind.
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
  std::optional<Nanos> wanted_;
  Nanos last_look_{};
  std::size_t raised_ = 0;
};

}  // namespace tcpdwell
