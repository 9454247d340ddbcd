// SPDX-License-Identifier: Apache-2.0
// Metrics that come from /proc and from the list of listeners, not from the table.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "export/page.h"

namespace tcpdwell::exporter {

// A listener, as the kernel lists it.
struct ListenerNow {
  std::uint64_t cookie = 0;
  std::uint16_t port = 0;
  std::uint32_t length = 0, backlog = 0;  // of its accept queue
  std::uint32_t syns_dropped = 0;         // since listen()
};

// This process, as Prometheus' client libraries name it.
void add_process(PageBuilder& page);

// Accept queues by local port. Listeners of one port are added up.
class ListenerMetrics {
 public:
  static constexpr std::size_t kPorts = 50;  // shown; the fullest queues and the most drops first

  // `listeners`: of the host's network namespace, now. nullopt: they could not be read, and the
  // families are absent.
  void add(PageBuilder& page, const std::optional<std::vector<ListenerNow>>& listeners);

 private:
  struct Port {
    std::uint64_t length = 0, limit = 0, dropped = 0;
  };
  void count_drops(const std::vector<ListenerNow>& listeners);

  // The kernel counts for each listener, from 0. A sum that shrinks when one of them is closed
  // would look like a counter that began anew.
  absl::flat_hash_map<std::uint64_t, std::uint32_t> last_;     // by cookie
  absl::flat_hash_map<std::uint16_t, std::uint64_t> dropped_;  // by port
};

}  // namespace tcpdwell::exporter
