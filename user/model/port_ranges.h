// SPDX-License-Identifier: Apache-2.0
// The local ports that connect() may choose in each network namespace
// (net.ipv4.ip_local_port_range, which holds for both families). This class stores the answers and
// the namespaces still to be queried; PortReader reads them. A namespace is queried when its first
// connection is seen. PortReader re-reads it now and then and reports changes.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

struct PortRange {
  std::uint16_t low = 0, high = 0;  // high: included. 0: not known
  std::uint32_t reserved = 0;       // ports of the range in ip_local_reserved_ports
  bool contains(std::uint16_t port) const { return low != 0 && port >= low && port <= high; }
  std::uint32_t size() const {
    return low == 0 ? 0 : static_cast<std::uint32_t>(high - low) + 1 - reserved;
  }
  bool operator==(const PortRange&) const = default;
};

// The range, and what else restricts the kernel's choice of a port.
struct PortSpace : PortRange {
  std::vector<PortSpan> reserved_spans;  // empty in an older recording, whatever `reserved` is
  std::vector<PortSpan> bound;           // by sockets without a connection
  std::optional<std::uint8_t> tw_reuse;  // nullopt: not known
  Nanos tw_reuse_delay = std::chrono::seconds{1};
  bool is_reserved(std::uint16_t port) const;
};

// Parses a sorted list as in ip_local_reserved_ports ("8080,9000-9010"). Returns the part within
// [low, high], at most PortSpan::kMost spans.
std::vector<PortSpan> parse_ports(std::string_view list, std::uint16_t low, std::uint16_t high);
std::uint32_t count_ports(const std::vector<PortSpan>& spans);

class PortRanges {
 public:
  // A connection was seen in this namespace.
  void see(std::uint64_t netns_cookie) {
    if (netns_cookie != last_) notice(netns_cookie);
  }
  void learn(const NamespaceEvent& event);
  const PortSpace* find(std::uint64_t netns_cookie) const;  // nullptr: not known (yet)
  // Cookies of namespaces to query, each once.
  std::vector<std::uint64_t> take_unknown() { return std::exchange(unknown_, {}); }

 private:
  // Containers come and go. Beyond this all namespaces are dropped and queried again.
  static constexpr std::size_t kMost = 16384;
  void notice(std::uint64_t netns_cookie);
  void make_room();

  absl::flat_hash_map<std::uint64_t, PortSpace> ranges_;  // also those whose answer is pending
  std::vector<std::uint64_t> unknown_;
  std::uint64_t last_ = 0;  // the namespace seen last: the next one is likely the same
};

}  // namespace tcpdwell
