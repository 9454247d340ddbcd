// SPDX-License-Identifier: Apache-2.0
// Flags of kind Accept: connections that wait in an accept queue for longer than the threshold. A
// reset ends a connection but leaves it in the queue, so queued connections are kept apart from the
// connection table, by cookie.
//
// The result of a walk and other events come in one order: a connection that was accepted after the
// start of a walk is not flagged by the result of that walk.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lifecycle/publisher.h"
#include "lifecycle/table.h"
#include "model/event.h"
#include "model/full_queue.h"
#include "model/record.h"

namespace tcpdwell {

class QueueFlags {
 public:
  // `table` and `publisher` must outlive it. nullopt: no flags.
  QueueFlags(std::optional<Nanos> threshold, const ConnectionTable& table, Publisher& publisher)
      : threshold_(threshold), table_(table), publisher_(publisher) {}

  // A walk begins; its AcceptQueuesEvent comes later. Several walks can overlap.
  void walk_begins() { ++walks_; }
  // `processes`: facts about holders in the event, sorted by pid; can be incomplete.
  void walked(const AcceptQueuesEvent& event, const std::vector<ProcessFacts>& processes);
  void accepted(const AcceptEvent& event) {
    if (walks_ != 0) leaves(event.cookie);
    if (!waiting_.empty()) clear_accepted(event);
  }
  // A listener has closed: clears the flags of its queue.
  void listener_closed(std::uint64_t cookie, Nanos at);
  // Network namespaces (by cookie) to walk: those with a listener event since the last call, or
  // with a listener at the last walk.
  void listener_seen(std::uint64_t netns_cookie) { namespaces_[netns_cookie] = true; }
  std::vector<std::uint64_t> take_namespaces();

  // All queued connections of the last walk, also those below the threshold. nullopt: no threshold.
  std::optional<WatchedState> watched(Nanos now) const;
  // As of the last walk; of listeners that pass the filter.
  const FullQueues& full() const { return full_; }
  std::uint64_t raised() const { return raised_; }  // flags raised so far
  std::uint64_t open() const { return open_; }      // raised and not cleared

 private:
  // A listener, as of the last walk.
  struct Listener {
    AcceptQueue queue;
    std::vector<Holder> holders;
    std::vector<ProcessFacts> processes;
  };
  struct Waiting {
    QueuedChild child;
    std::shared_ptr<Listener> listener;
    std::uint32_t life = 0;
    bool in_table = false;  // the connection had not ended when it was flagged
    bool raised = false;
    bool dated = true;  // false: child.queued_at is only an upper bound
    Nanos walked{};     // when the last walk found it
  };
  std::shared_ptr<Listener> learn(const ListenQueue& queue,
                                  const std::vector<ProcessFacts>& processes);
  void note_full(const ListenQueue& queue, Nanos at);
  std::vector<std::uint32_t> acceptors_of(const ListenQueue& queue) const;
  std::vector<std::uint32_t> accepted_at(const Flow& listener) const;
  void leaves(std::uint64_t cookie);
  void found(const QueuedChild& child, const std::shared_ptr<Listener>& listener, Nanos at);
  void found_again(Waiting& waiting, const std::shared_ptr<Listener>& listener, Nanos at);
  void raise(Waiting& waiting, Nanos at);
  void clear(Waiting& waiting, Nanos at, const std::optional<Owner>& owner);
  void clear_accepted(const AcceptEvent& event);
  State state_of(const Waiting& waiting) const;

  std::optional<Nanos> threshold_;
  const ConnectionTable& table_;
  Publisher& publisher_;
  template <typename Is>
  void clear_all(Is&& is, Nanos at);
  absl::flat_hash_map<std::uint64_t, Waiting> waiting_;                      // by cookie
  absl::flat_hash_map<std::uint64_t, std::shared_ptr<Listener>> listeners_;  // by cookie
  std::size_t walks_ = 0;                                                    // in progress
  absl::flat_hash_set<std::uint64_t> left_meanwhile_;    // cookies, also of closed listeners
  absl::flat_hash_map<std::uint64_t, bool> namespaces_;  // by cookie: heard of since it was taken
  std::uint64_t young_ = 0;                              // of the last walk, as in its event
  std::optional<Nanos> next_queued_;
  FullQueues full_;
  std::uint64_t raised_ = 0, open_ = 0;
};

}  // namespace tcpdwell
