// SPDX-License-Identifier: Apache-2.0
// Which ports each network namespace lets connect() choose, read when it is first asked about, and
// again in turn: whoever runs out of ports may widen the range, and what is bound there changes.
// For the helper thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "model/event.h"
#include "kernel/namespaces.h"

namespace tcpdwell {

class PortReader {
 public:
  // Both must outlive it. Once `stop` is set nothing more is read.
  PortReader(Namespaces& namespaces, const std::atomic<bool>& stop)
      : namespaces_(namespaces), stop_(stop) {}

  // Of the namespace that the calling thread is in.
  NamespaceEvent read_here(std::uint64_t netns_cookie);
  // Of each that can be entered.
  std::vector<NamespaceEvent> read(const std::vector<std::uint64_t>& netns_cookies);
  // The next of those that were read before; only what has changed.
  std::vector<NamespaceEvent> read_again();

 private:
  static constexpr std::size_t kMost = 16384;  // namespaces
  static constexpr std::size_t kAtOnce = 32;
  std::vector<std::uint64_t> next_in_turn();

  Namespaces& namespaces_;
  const std::atomic<bool>& stop_;
  std::map<std::uint64_t, NamespaceEvent> told_;  // by cookie
  std::uint64_t last_ = 0;                        // whose turn it was
};

}  // namespace tcpdwell
