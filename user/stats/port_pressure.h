// SPDX-License-Identifier: Apache-2.0
// How much of a client's ports is taken, for each destination, and whether they last: a local
// address can have one connection from each port to a remote address and port, and connect()
// without bind() fails when none is left to choose (EADDRNOTAVAIL).
//
// A port that anybody bound, on whatever address, is none to choose for anybody: it belongs to a
// listener and its connections, or to whoever called bind() with it. All others are taken for one
// destination alone, in TIME_WAIT, too, as long as that may not be reused.
//
// Bounded: beyond kMost destinations those with the fewest connections are forgotten, and counted
// anew if they come again; what takes a noticeable part of a range is never among them.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lifecycle/lifecycle.h"
#include "stats/stats_record.h"

namespace tcpdwell {

class PortPressure {
 public:
  static constexpr std::size_t kMost = 16384;  // destinations

  // `count` connects found no port.
  void failed(const FailedConnectsRecord& record);
  // One walk: begin(), see() for each connection that is open, end().
  void begin(const PortRanges& ranges, Nanos now);
  void see(const OpenConnection& connection);
  // Those that fail or will fail, and those with the most ports in use, `rows` at the most. Failed
  // connects are those since the last interval ended; `total`: all.
  std::vector<PortUse> end(const TimeWaitLength& length, std::size_t rows, bool total);
  void end_interval() { failed_now_.clear(); }

 private:
  struct Destination {
    std::array<std::uint8_t, 16> remote{};
    Site site;
    std::uint16_t port = 0;
    bool operator==(const Destination&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Destination& destination) {
      return H::combine(std::move(hash), destination.remote, destination.site, destination.port);
    }
  };
  struct Use {
    PortLook look;
    std::uint32_t reusable = 0;
    std::array<std::uint32_t, kStates> states{};
    const PortSpace* space = nullptr;
    bool reuses = false;  // tcp_tw_reuse holds for it
  };
  struct Past {
    PortHistory looks;
    PortRange range;
  };
  using BoundPorts = absl::flat_hash_set<std::uint16_t>;
  using Failures = absl::flat_hash_map<Destination, std::uint64_t>;
  const PortSpace* space_of(std::uint64_t netns_cookie);
  Use& use_of(const Destination& destination, const PortSpace& space);
  void count_waiting(Use& use, const OpenConnection& connection) const;
  void forget_small();
  std::uint32_t bound_in(std::uint64_t netns_cookie) const;
  void remember(const Destination& destination, const Use& use);

  const PortRanges* ranges_ = nullptr;
  Nanos now_{};
  absl::flat_hash_map<Destination, Use> uses_;
  absl::flat_hash_map<Destination, Past> past_;
  absl::flat_hash_map<std::uint64_t, BoundPorts> bound_;  // by network namespace
  Failures failed_now_, failed_ever_;
  std::uint64_t last_netns_ = 0;  // that was looked up last
  const PortSpace* last_space_ = nullptr;
};

}  // namespace tcpdwell
