// SPDX-License-Identifier: Apache-2.0
// The ports that connect() can choose in each network namespace. Read at the first query, and again
// in turn: the range and the bound ports change. Runs on the helper thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "kernel/namespaces.h"
#include "model/event.h"

namespace tcpdwell {

class PortReader {
 public:
  // Both must outlive it. Reads nothing once `stop` is set.
  PortReader(Namespaces& namespaces, const std::atomic<bool>& stop)
      : namespaces_(namespaces), stop_(stop) {}

  // Reads the namespace of the calling thread.
  NamespaceEvent read_here(std::uint64_t netns_cookie);
  // Reads each namespace that can be entered.
  std::vector<NamespaceEvent> read(const std::vector<std::uint64_t>& netns_cookies);
  // Reads the next known namespace; returns only changes.
  std::vector<NamespaceEvent> read_again();

 private:
  static constexpr std::size_t kMost = 16384;  // namespaces
  static constexpr std::size_t kAtOnce = 32;
  std::vector<std::uint64_t> next_in_turn();

  Namespaces& namespaces_;
  const std::atomic<bool>& stop_;
  std::map<std::uint64_t, NamespaceEvent> known_;  // by cookie
  std::uint64_t last_ = 0;                         // the last one read in turn
};

}  // namespace tcpdwell
