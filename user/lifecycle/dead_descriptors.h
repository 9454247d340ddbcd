// SPDX-License-Identifier: Apache-2.0
// Sockets that a process still holds although their connection has ended, and the time of the next
// walk that checks which of them are still open. Closing one makes no event, so only a walk through
// all descriptors (a "look") tells. Pure.
//
// Bounded: beyond kMost, a socket that ends is not kept, and a look is due soon. If the socket is
// still open, that look finds it and dates its end from kernel fields.
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
    Nanos ended{};                    // upper bound of when the connection ended
    std::optional<Nanos> error;       // of `ended`; nullopt: it may have ended earlier
    std::optional<Nanos> not_before;  // lower bound of when the connection ended
    Ended how = Ended::Unknown;
    bool connected = true;  // false: connect() failed
    bool mptcp = false;
    bool at_once = false;  // another flag was raised for it: raise CLOSED without its threshold
    bool raised = false;
    bool decided = true;        // it passes the filter
    Cause cause = Cause::None;  // of the raised flag
    Nanos found{};              // when the last look that found it began
    Nanos due{};                // when to look at it

    // For output: the key of an MPTCP socket is its kernel address, which is no cookie.
    SocketInfo shown() const {
      SocketInfo info = socket;
      if (mptcp && info.cookie >> 63U != 0) info.cookie = 0;
      return info;
    }
  };

  // Returns false if there is no room. With `found` (by a look) the entry is always kept.
  bool add(const Entry& entry, bool found = false);
  Entry* find(std::uint64_t cookie);
  void erase(std::uint64_t cookie);
  void put_off(Entry& entry, Nanos due);
  void raise(Entry& entry, Cause cause);
  // Requests a look at `at`, since a socket may have ended unseen.
  void want_look(Nanos at);

  // When the next look is due; nullopt: none is needed. `again`: the interval of looks while a flag
  // is raised.
  std::optional<Nanos> due(Nanos again);
  // Call it after the results of the look that began at `at`. Calls closed(entry) for each entry
  // that ended before the look and that the look did not find, and drops it.
  template <typename Closed>
  void looked(Nanos at, Closed&& closed) {
    std::vector<std::uint64_t> gone;
    for (const auto& [cookie, entry] : entries_)
      if (entry.found < at && entry.ended < at) gone.push_back(cookie);
    std::sort(gone.begin(), gone.end());  // the order of the map differs in a replay
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
  // May contain outdated deadlines of entries that were put off, raised or dropped.
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
  std::optional<Nanos> wanted_;
  Nanos last_look_{};
  std::size_t raised_ = 0;
};

}  // namespace tcpdwell
