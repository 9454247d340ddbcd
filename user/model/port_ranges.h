// SPDX-License-Identifier: Apache-2.0
// Which local ports connect() may choose in each network namespace. Somebody else reads them
// (net.ipv4.ip_local_port_range holds for both families): this keeps who has to be asked, and the
// answers. A namespace is asked for when the first connection in it is seen; whoever reads it looks
// again now and then, and says what has changed.
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
  std::uint32_t reserved = 0;       // those of them in ip_local_reserved_ports
  bool contains(std::uint16_t port) const { return low != 0 && port >= low && port <= high; }
  std::uint32_t size() const {
    return low == 0 ? 0 : static_cast<std::uint32_t>(high - low) + 1 - reserved;
  }
  bool operator==(const PortRange&) const = default;
};

// What else decides on an automatic port.
struct PortSpace : PortRange {
  std::vector<PortSpan> reserved_spans;  // of an older recording: none, whatever `reserved` is
  std::vector<PortSpan> bound;           // by whom no connection shows it
  std::optional<std::uint8_t> tw_reuse;  // nullopt: not known
  Nanos tw_reuse_delay = std::chrono::seconds{1};
  bool is_reserved(std::uint16_t port) const;
};

// Of a list as in ip_local_reserved_ports, "8080,9000-9010", by rising port: what of it is within
// [low, high], PortSpan::kMost spans at the most.
std::vector<PortSpan> parse_ports(std::string_view list, std::uint16_t low, std::uint16_t high);
std::uint32_t count_ports(const std::vector<PortSpan>& spans);

class PortRanges {
 public:
  // There is a connection in it.
  void see(std::uint64_t netns_cookie) {
    if (netns_cookie != last_) notice(netns_cookie);
  }
  void learn(const NamespaceEvent& event);
  const PortSpace* find(std::uint64_t netns_cookie) const;  // nullptr: not known (yet)
  // Cookies of namespaces that nobody has told of yet, each once.
  std::vector<std::uint64_t> take_unknown() { return std::exchange(unknown_, {}); }

 private:
  // Containers come and go: beyond this all are forgotten, and asked for again.
  static constexpr std::size_t kMost = 16384;
  void notice(std::uint64_t netns_cookie);
  void make_room();

  absl::flat_hash_map<std::uint64_t, PortSpace> ranges_;  // unknown ones, too: they were asked for
  std::vector<std::uint64_t> unknown_;
  std::uint64_t last_ = 0;  // that was seen: the next is likely the same
};

}  // namespace tcpdwell
