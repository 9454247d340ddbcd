// SPDX-License-Identifier: Apache-2.0
// Ends that wait for the event that may follow them. What an event means can depend on the next one
// on the same CPU, and some kernels hide that one from BPF. The kernel is asked whether the
// connection is gone before such an end is published.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "lifecycle/questions.h"
#include "lifecycle/table.h"

namespace tcpdwell {

class PendingEnds {
 public:
  using Id = ConnectionTable::Id;
  // What to do with an end.
  enum class Step : std::uint8_t { Resolve, Ask };

  // `table` must outlive this object.
  explicit PendingEnds(ConnectionTable& table) : table_(table) {}

  // An event of this CPU came.
  void saw_cpu(std::uint32_t cpu, Nanos at);

  // `event` seems to end the connection. Defined for TransitionEvent, TimewaitEvent and
  // RequestEvent.
  template <typename E>
  void add(Id id, PendingEnd pending_end, const E& event);
  // The kernel was asked about the end, at `now`.
  void asked(Id id, Nanos now);

  // Calls step(id, Step) for each end whose time has come. Step::Resolve: no other event came, or
  // no answer. Step::Ask: ask the kernel, then call asked().
  template <typename Do>
  void advance(Nanos now, Do&& step) {
    while (const auto due = next(now)) step(due->id, due->step);
  }
  // The stream ends: calls resolve(id) for each end that an event had time to follow.
  template <typename Resolve>
  void finish(Nanos now, Resolve&& resolve) {
    while (const auto id = last(now)) resolve(*id);
  }

  // True for an end that only a missing event suggests.
  bool is_improbable(const Connection& connection) const;
  // A segment for a minisock whose timer was cancelled came at `at`: true if that is too late to be
  // in the call that cancelled the timer, so the minisock still exists.
  bool is_contradicted(const Connection& connection, Nanos at) const;

 private:
  struct Deadline {
    Nanos at;
    Id id;
    std::uint32_t generation, serial;
  };
  struct Due {
    Id id;
    Step step;
  };
  std::optional<Due> next(Nanos now);
  std::optional<Id> last(Nanos now);
  bool is_pending(const Deadline& due) const;
  bool may_ask(Carrier carrier, Nanos now);

  ConnectionTable& table_;
  std::vector<Nanos> cpu_last_;           // the last event of each CPU
  std::deque<Deadline> waiting_, asked_;  // ordered by deadline
  std::uint32_t serial_ = 0;
  QuestionBudget about_requests_, about_sockets_;
};

}  // namespace tcpdwell
