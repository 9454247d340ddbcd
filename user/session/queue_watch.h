// SPDX-License-Identifier: Apache-2.0
// Looks into the accept queues of network namespaces, and asks who should accept where something
// has waited for too long. Of a helper thread.
//
// What was found is told in full once; while it waits, only that it does. A look costs tens of
// microseconds a namespace where no queue holds anything. The walk through all descriptors, for the
// holders, is done only when something is over the threshold that was not before.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "model/event.h"
#include "kernel/bpf_iterators.h"

namespace tcpdwell {

class QueueWatch {
 public:
  QueueWatch(BpfIterators& iterators, Nanos threshold) : iterators_(iterators), threshold_(threshold) {}

  // As begin_walk(), and all is told in full.
  void begin_anew() {
    told_.clear();
    begin_walk();
  }
  // What is found was there at this time, and had been for the threshold.
  void begin_walk();
  // Of the namespace that the calling thread is in.
  std::optional<Error> walk(std::uint64_t netns_cookie);
  // It is gone, and its listeners with it.
  void gone(std::uint64_t netns_cookie) {
    event_.namespaces.push_back(netns_cookie);
    event_.without_listeners.push_back(netns_cookie);
  }
  // What was found since begin_walk(). Tell of the processes first.
  struct Found {
    ProcessesEvent processes;
    AcceptQueuesEvent queues;
  };
  Found end_walk();

 private:
  ProcessesEvent ask_for_holders();
  void tell_news_only();

  BpfIterators& iterators_;
  Nanos threshold_;
  std::vector<WalkedQueue> queues_;
  AcceptQueuesEvent event_;
  std::unordered_set<std::uint64_t> told_;  // cookies of what waited in the last walk
};

}  // namespace tcpdwell
