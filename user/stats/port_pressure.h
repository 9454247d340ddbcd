// SPDX-License-Identifier: Apache-2.0
// Counts the local ports in use for each destination, and forecasts whether they last. A local
// address can have one connection from each port to a remote address and port. connect() without
// bind() fails with EADDRNOTAVAIL when no port is left.
//
// connect() never chooses a port that was bound, on any address: by a listener (its connections
// have that port, too) or by bind(). Any other port is in use for one destination only, also in
// TIME_WAIT unless that may be reused.
//
// Bounded: beyond kMost destinations, those with the fewest connections are dropped, and counted
// from zero if they return. A destination that uses a noticeable part of the range is never
// dropped.
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

  // Counts connect() calls that found no port. Ignores other failures.
  void failed(const FailedConnectsRecord& record);
  // One walk: begin(), see() for each open connection, end().
  void begin(const PortRanges& ranges, Nanos now);
  void see(const OpenConnection& connection);
  // At most `rows` destinations: first those whose connects fail or will fail, then those with the
  // most ports in use. Counts the connects that failed in this interval; with `total`, in the run.
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
    PortSample sample;
    std::uint32_t reusable = 0;
    std::array<std::uint32_t, kStates> states{};
    const PortSpace* space = nullptr;
    std::uint64_t walk = 0;  // the last one that saw the destination; the rest is about that walk
    bool reuses = false;     // tcp_tw_reuse applies to this destination
  };
  struct History {
    PortHistory samples;
    PortRange range;
  };
  using BoundPorts = absl::flat_hash_set<std::uint16_t>;
  using Failures = absl::flat_hash_map<Destination, std::uint64_t>;
  const PortSpace* space_of(std::uint64_t netns_cookie);
  Use& use_of(const Destination& destination, const PortSpace& space);
  void count_waiting(Use& use, const OpenConnection& connection) const;
  void forget_unused();
  void forget_small();
  std::uint32_t bound_in(std::uint64_t netns_cookie) const;
  void remember(const Destination& destination, const Use& use);

  const PortRanges* ranges_ = nullptr;
  Nanos now_{};
  std::uint64_t walk_ = 0;
  // They keep their memory from walk to walk: new pages cost more than the counting. A map of this
  // kind frees it in clear().
  absl::flat_hash_map<Destination, Use> uses_;
  std::vector<PortUse> all_;
  absl::flat_hash_map<Destination, History> past_;
  absl::flat_hash_map<std::uint64_t, BoundPorts> bound_;  // by network namespace
  Failures failed_now_, failed_ever_;
  std::uint64_t last_netns_ = 0;  // the last lookup of space_of()
  const PortSpace* last_space_ = nullptr;
};

}  // namespace tcpdwell
