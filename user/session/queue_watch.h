// SPDX-License-Identifier: Apache-2.0
// Walks the accept queues of network namespaces, and finds the processes that should accept if a
// connection waits too long. Runs on the helper thread.
// Reports each listener whose queue is full at each walk.
// Reports a waiting connection in full once, and afterwards only that it still waits. A namespace
// with empty queues costs tens of microseconds. The walk through all descriptors, for the holders,
// runs only when a connection newly exceeds the threshold.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "kernel/bpf_iterators.h"
#include "model/event.h"
#include "session/blocked_reader.h"

namespace tcpdwell {

class QueueWatch {
 public:
  // Without a threshold it reports only listeners whose queue is full. `blocked` is for --where;
  // nullptr: without it.
  QueueWatch(BpfIterators& iterators, std::optional<Nanos> threshold, BlockedReader* blocked)
      : iterators_(iterators), blocked_(blocked), threshold_(threshold) {}

  // As begin_walk(), but reports all in full.
  void begin_anew() {
    reported_.clear();
    begin_walk();
  }
  // Begins a walk at this time: it reports connections that have waited for the threshold.
  void begin_walk();
  // Walks the namespace of the calling thread.
  std::optional<Error> walk(std::uint64_t netns_cookie);
  // The namespace is gone, with its listeners.
  void gone(std::uint64_t netns_cookie) {
    event_.namespaces.push_back(netns_cookie);
    event_.without_listeners.push_back(netns_cookie);
  }
  // The results since begin_walk(). Pass the processes on first.
  struct Found {
    ProcessesEvent processes;
    AcceptQueuesEvent queues;
  };
  Found end_walk();

 private:
  ProcessesEvent ask_for_holders();
  void keep_news_only();

  BpfIterators& iterators_;
  BlockedReader* blocked_;
  std::optional<Nanos> threshold_;
  std::vector<WalkedQueue> queues_;
  AcceptQueuesEvent event_;
  std::unordered_set<std::uint64_t> reported_;  // cookies that waited in the last walk
};

}  // namespace tcpdwell
