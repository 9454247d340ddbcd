// SPDX-License-Identifier: Apache-2.0
// Flags of kind Accept: connections that wait in an accept queue for longer than the threshold. A
// connection can be reset there, which ends its life, and still it waits: so what is queued is kept
// apart from the table of connections, by cookie.
//
// What a walk through the queues found and what happened meanwhile come in one order: a connection
// that was accepted after a walk began is not flagged by what that walk found.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/event.h"
#include "lifecycle/publisher.h"
#include "model/record.h"
#include "lifecycle/table.h"

namespace tcpdwell {

class QueueFlags {
 public:
  // Both must outlive it. Without a threshold nothing is flagged.
  QueueFlags(std::optional<Nanos> threshold, const ConnectionTable& table, Publisher& publisher)
      : threshold_(threshold), table_(table), publisher_(publisher) {}

  // Its AcceptQueuesEvent comes later; there may be several under way.
  void walk_begins() { ++walks_; }
  // `processes`: facts of the holders that it names, by pid, as far as they are known.
  void walked(const AcceptQueuesEvent& event, const std::vector<ProcessFacts>& processes);
  void accepted(const AcceptEvent& event) {
    if (walks_ != 0) leaves(event.cookie);
    if (!waiting_.empty()) clear_accepted(event);
  }
  // What was in its queue is gone.
  void listener_closed(std::uint64_t cookie, Nanos at);
  // Network namespaces (by cookie) in which a listener was heard of, and where the last walk found
  // one, if it came by.
  void heard_of_listener(std::uint64_t netns_cookie) { namespaces_[netns_cookie] = true; }
  std::vector<std::uint64_t> take_namespaces();

  // What the last walk found, whether or not it passes the threshold. nullopt: there is none.
  std::optional<WatchedState> watched(Nanos now) const;
  std::uint64_t raised() const { return raised_; }  // flags, in all
  std::uint64_t open() const { return open_; }      // those of them not cleared

 private:
  // What a walk said of a listener last.
  struct Listener {
    AcceptQueue queue;
    std::vector<Holder> holders;
    std::vector<ProcessFacts> processes;
  };
  struct Waiting {
    QueuedChild child;
    std::shared_ptr<Listener> listener;
    std::uint32_t life = 0;
    bool in_table = false;  // its life was not over when it was flagged
    bool raised = false;
    bool dated = true;  // else it was queued at child.queued_at at the latest
    Nanos walked{};     // when the last walk found it
  };
  std::shared_ptr<Listener> learn(const ListenQueue& queue,
                                  const std::vector<ProcessFacts>& processes);
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
  std::size_t walks_ = 0;                                                    // under way
  absl::flat_hash_set<std::uint64_t> left_meanwhile_;    // cookies, also of closed listeners
  absl::flat_hash_map<std::uint64_t, bool> namespaces_;  // by cookie: heard of since it was taken
  std::uint64_t young_ = 0;                              // of the last walk, as in its event
  std::optional<Nanos> next_queued_;
  std::uint64_t raised_ = 0, open_ = 0;
};

}  // namespace tcpdwell
