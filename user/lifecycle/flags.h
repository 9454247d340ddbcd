// SPDX-License-Identifier: Apache-2.0
// Flags of connections that stay in a state for longer than its threshold. After the threshold, the
// kernel is asked, since an event may have been lost; its answer raises the flag. A flag of an
// MPTCP subflow is about its MPTCP socket; one subflow represents that socket.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "lifecycle/lifecycle_config.h"
#include "lifecycle/mptcp_view.h"
#include "lifecycle/publisher.h"
#include "lifecycle/questions.h"
#include "lifecycle/recent_closes.h"
#include "lifecycle/resync.h"
#include "lifecycle/table.h"
#include "lifecycle/timer_wheel.h"

namespace tcpdwell {

class Flags {
 public:
  using Id = ConnectionTable::Id;
  struct Counts {
    std::uint64_t raised = 0, open = 0;
  };

  // All arguments must outlive this object.
  Flags(const LifecycleConfig& config, ConnectionTable& table, Publisher& publisher, Resync& resync,
        Questions& questions, RecentCloses& run)
      : config_(config),
        table_(table),
        publisher_(publisher),
        resync_(resync),
        questions_(questions),
        run_(run),
        timers_(config.began) {}

  // (Re)starts the timer of the connection's state. `orphaned`: since when no process holds the
  // socket, if known.
  void watch(Id id, Nanos orphaned = {});
  // The connection was accepted: a flag that waited for this may be due.
  void accepted(Id id, Nanos at);
  void on_state_left(Id id, State from, const Dwell& dwell, Nanos at);
  // The connection leaves the table.
  void drop(Id id);

  // Asks about each connection whose threshold has passed.
  void advance(Nanos now);
  // When the next flag may be due; nullopt: not within `horizon`.
  std::optional<Nanos> next_within(Nanos horizon) const { return timers_.next_within(horizon); }
  // The kernel has the socket that was asked about for a flag.
  void answered(Id id, const InquiryEvent& answer);
  // The answer is inconclusive: ask again after a second, or after 100 ms.
  void ask_later(Id id, Nanos at);
  void ask_soon(Id id, Nanos at);

  void learn(const ProcessesEvent& event);
  void learn(const HoldersEvent& event);
  // Facts about processes, sorted by pid, if they were read at or after `at`; else empty.
  std::vector<ProcessFacts> facts_of(Nanos at) const;
  void add_facts_to(FlagRecord& record, Nanos at) const;

  // `run`: keeps the longest times in CLOSE_WAIT, and in FIN_WAIT_2 with a holding process.
  void note_longest(Id id, State state, Nanos dwell);
  void note_longest_of_open(Nanos now);

  // flags_mptcp.cpp
  // The connection is an MPTCP subflow that left ESTABLISHED: from now on flags are about its MPTCP
  // socket, if that can be read.
  void is_subflow(Id id) { mptcp_.at(id, table_.generation(id)); }
  // The connection's flags are about its MPTCP socket.
  bool is_judged_as_mptcp(Id id) const { return known_mptcp_of(id) != nullptr; }
  void mptcp_changed(Id id, const MptcpChangeEvent& event);
  void found_mptcp(Id id, const MptcpSubflow& subflow);
  // Subflows whose flag was due, but whose MPTCP socket could not be read.
  std::uint64_t mptcp_not_judged() const { return mptcp_not_judged_; }

  // Adds all connections in states that have a threshold, stuck or not. Indexed by State.
  void add_watched(Nanos now, std::array<WatchedState, kStates>& all) const;

  // Also counts the flags of DeadFlags and RunJudge.
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
  RecentCloses& run_;
  TimerWheel timers_;
  ProcessesEvent processes_;  // the last one; sorted by pid
  MptcpViews mptcp_;
  std::uint64_t mptcp_not_judged_ = 0;
  Counts counts_;
};

}  // namespace tcpdwell
