// SPDX-License-Identifier: Apache-2.0
// How much of a client's ports is taken, for each destination: a local address can have one
// connection from each port to a remote address and port, TIME_WAIT included, and connect() fails
// when they are all in use (EADDRNOTAVAIL).
//
// Counted are connections whose local port is in their namespace's range, and that are not known to
// be a server's or a listener. Bounded: beyond kMost destinations those with the fewest connections
// are forgotten, and counted anew if they come again; what takes a noticeable part of a range is
// never among them.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/lifecycle.h"
#include "core/stats_record.h"

namespace tcpdwell {

class PortPressure {
 public:
  static constexpr std::size_t kMost = 16384;  // destinations

  // One walk: begin(), see() for each connection that is open, end().
  void begin(const PortRanges& ranges);
  void see(const OpenConnection& connection);
  // Those with the most ports in use, `rows` at the most, and when each is out of them if it goes
  // on as it did since the last walk, or, if that is less than `least` ago, before that.
  std::vector<PortUse> end(Nanos now, Nanos least, std::size_t rows);

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
    std::uint32_t used = 0;
    std::array<std::uint32_t, kStates> states{};
    PortRange range;
  };
  struct Before {
    std::uint32_t used = 0;
    double per_second = 0;
  };
  const PortRange* range_of(const Site& site);
  Use& use_of(const Destination& destination);
  void forget_small();
  double growth(const Destination& destination, const Use& use, Nanos elapsed, Nanos least) const;

  const PortRanges* ranges_ = nullptr;
  absl::flat_hash_map<Destination, Use> uses_;
  absl::flat_hash_map<Destination, Before> before_;
  std::optional<Nanos> last_;
  std::uint64_t last_netns_ = 0;  // whose range was looked up last
  const PortRange* last_range_ = nullptr;
};

}  // namespace tcpdwell
