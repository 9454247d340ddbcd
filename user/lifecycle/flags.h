// SPDX-License-Identifier: Apache-2.0
// Flags of connections that stay in a state for longer than its threshold. When a threshold has
// passed the kernel is asked, since an event may have been lost; its answer raises the flag. Flags
// of a subflow are about its MPTCP socket, which one of the subflows stands for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "lifecycle/lifecycle_config.h"
#include "lifecycle/mptcp_view.h"
#include "lifecycle/publisher.h"
#include "lifecycle/questions.h"
#include "lifecycle/resync.h"
#include "lifecycle/run_book.h"
#include "lifecycle/table.h"
#include "lifecycle/timer_wheel.h"

namespace tcpdwell {

class Flags {
 public:
  using Id = ConnectionTable::Id;
  struct Counts {
    std::uint64_t raised = 0, open = 0;
  };

  // All must outlive it.
  Flags(const LifecycleConfig& config, ConnectionTable& table, Publisher& publisher, Resync& resync,
        Questions& questions, RunBook& run)
      : config_(config),
        table_(table),
        publisher_(publisher),
        resync_(resync),
        questions_(questions),
        run_(run),
        timers_(config.began) {}

  // (Re)starts the clock of the connection's state. `orphaned`: since when no process holds it, if
  // that is known.
  void watch(Id id, Nanos orphaned = {});
  // The connection was accepted: a flag that had to wait for this may be due.
  void accepted(Id id, Nanos at);
  void on_state_left(Id id, State from, const Dwell& dwell, Nanos at);
  // The connection leaves the table.
  void drop(Id id);

  // Asks about each connection whose threshold has passed.
  void advance(Nanos now);
  // When a flag may be due, if that is within `horizon`.
  std::optional<Nanos> next_within(Nanos horizon) const { return timers_.next_within(horizon); }
  // The kernel has the socket that was asked about for a flag.
  void answered(Id id, const InquiryEvent& answer);
  // The answer does not tell yet: ask again, a second later or sooner.
  void ask_later(Id id, Nanos at);
  void ask_soon(Id id, Nanos at);

  void learn(const ProcessesEvent& event);
  void learn(const HoldersEvent& event);
  // Facts about processes that were read for an event at `at`, by pid.
  std::vector<ProcessFacts> facts_of(Nanos at) const;
  void add_facts_to(FlagRecord& record, Nanos at) const;

  // `run`: how long the connection was in CLOSE_WAIT, or in FIN_WAIT_2 while a process held it.
  void note_longest(Id id, State state, Nanos dwell);
  void note_longest_of_open(Nanos now);

  // flags_mptcp.cpp
  // The connection is a subflow, and its TCP is no longer just open: from now on its MPTCP socket
  // counts, if that can be looked at.
  void is_subflow(Id id) { mptcp_.at(id, table_.generation(id)); }
  // Its flags are about its MPTCP socket.
  bool is_judged_as_mptcp(Id id) const { return known_mptcp_of(id) != nullptr; }
  void mptcp_changed(Id id, const MptcpChangeEvent& event);
  void found_mptcp(Id id, const MptcpSubflow& subflow);
  // Subflows whose flag was due, and whose MPTCP socket could not be looked at.
  std::uint64_t mptcp_not_judged() const { return mptcp_not_judged_; }

  // Adds what is in a state that has a threshold, stuck or not; indexed by State.
  void add_watched(Nanos now, std::array<WatchedState, kStates>& all) const;

  // Other flags of connections are counted here, too.
  Counts& counts() { return counts_; }
  const Counts& counts() const { return counts_; }

 private:
  void due(Id id);
  void raise(Id id, const InquiryEvent& answer);
  void clear(Id id, State from, const Dwell& dwell, Nanos at);
  std::optional<Nanos> threshold_of(const Connection& connection) const;
  Nanos counts_from(const Connection& connection) const;
  void wait_until(Id id, Nanos at);
  void stop_timer(Connection& connection);
  bool waits_for_accept(const InquiryEvent& answer) const;

  // flags_mptcp.cpp
  MptcpView* mptcp_of(Id id);
  MptcpView* known_mptcp_of(Id id);
  const MptcpView* known_mptcp_of(Id id) const;
  static Dwell mptcp_dwell(const MptcpView& view, Nanos at);
  void leave_judged(Id id, Nanos at);
  StateBegin begin_of_mptcp(Id id, const MptcpSubflow& subflow) const;
  std::optional<Nanos> threshold_of(const MptcpView& view) const;
  std::optional<Nanos> mptcp_due(const MptcpView& view) const;
  void watch_mptcp(Id id, const MptcpView& view);
  void mptcp_answered(Id id, MptcpView& view, const InquiryEvent& answer);
  FlagRecord mptcp_flag(const MptcpView& view, Nanos at) const;
  void mptcp_closed_by_exit(Id id, const MptcpChangeEvent& event);

  static constexpr Id kNone = ConnectionTable::kNone;

  const LifecycleConfig& config_;
  ConnectionTable& table_;
  Publisher& publisher_;
  Resync& resync_;
  Questions& questions_;
  RunBook& run_;
  TimerWheel timers_;
  ProcessesEvent processes_;  // the last; by pid
  MptcpViews mptcp_;
  std::uint64_t mptcp_not_judged_ = 0;
  Counts counts_;
};

}  // namespace tcpdwell
