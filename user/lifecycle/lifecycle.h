// SPDX-License-Identifier: Apache-2.0
// Puts the life of every TCP connection together from what the kernel shows of it: a request sock,
// a full socket and a minisock become one connection with the states of RFC 9293. Pure: no clock,
// no I/O, so that a recording replays to the answer that the live run gave.
//
// Rules it rests on:
//  - A minisock's timer starts before its full socket goes to CLOSE: then that CLOSE is no end.
//  - timer_cancel alone means nothing; what follows for the same timer, on the same CPU, says what
//    it was. So some ends are told a moment later, dated back.
//  - A cookie can have several lives, a kernel address is reused at once.
//  - `current` is an owner only where the kernel side says so (TransitionEvent::task).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "lifecycle/dead_flags.h"
#include "lifecycle/dwell_book.h"
#include "lifecycle/ending.h"
#include "lifecycle/failed_connects.h"
#include "lifecycle/filter.h"
#include "lifecycle/flags.h"
#include "lifecycle/lifecycle_config.h"
#include "lifecycle/open_connection.h"
#include "lifecycle/pending_ends.h"
#include "lifecycle/publisher.h"
#include "lifecycle/questions.h"
#include "lifecycle/queue_flags.h"
#include "lifecycle/resync.h"
#include "lifecycle/run_book.h"
#include "lifecycle/run_judge.h"
#include "lifecycle/stale_scan.h"
#include "lifecycle/state_begin.h"
#include "lifecycle/table.h"
#include "model/event.h"
#include "model/thresholds.h"

namespace tcpdwell {

class Lifecycle {
 public:
  // `filter` and `sink` must outlive it.
  Lifecycle(const LifecycleConfig& config, const Filter& filter, Sink& sink);

  void on(const Event& event);
  // The event will come, and come very soon: what it will look at is brought into the cache.
  void expect(const Event& event) const;
  void expect_soon(const Event& event) const;
  // All events up to `now` were given to on(). Settles what waited for an event that did not come.
  void tick(Nanos now);
  // The stream is over: settles what had the time to be followed by what explains it, lets go of
  // what was held.
  void finish(Nanos now);

  std::uint64_t connections_ended() const { return ended_; }
  std::uint64_t open() const { return table_.size(); }
  // Of all that, what the run is about. Looks at every connection.
  EndRecord::Passed passed() const {
    EndRecord::Passed passed = publisher_.passed();
    table_.for_each([&](Id id) { passed.open += publisher_.passes(table_[id]) ? 1 : 0; });
    return passed;
  }
  // Transitions, at least, that must have happened and that neither came nor were counted as lost:
  // there are kernels on which some tasks hide from BPF what softirqs do meanwhile.
  std::uint64_t unseen() const { return resync_.unseen(); }
  // Ends that would have been told, but the kernel still had the connection when it was asked, or
  // showed it while the answer was awaited.
  std::uint64_t corrected() const { return corrected_; }
  std::uint64_t evicted() const { return table_.evicted(); }
  When when(Nanos at) const { return publisher_.when(at); }
  std::uint64_t flags_raised() const { return flags_.counts().raised + queues_.raised(); }
  std::uint64_t flags_open() const { return flags_.counts().open + queues_.open(); }
  // Subflows whose flag was due, and whose MPTCP socket could not be looked at.
  std::uint64_t mptcp_not_judged() const { return flags_.mptcp_not_judged(); }
  std::vector<std::uint64_t> take_unknown_cgroups() { return publisher_.cgroups().take_unknown(); }
  // Cookies of namespaces whose port range nobody has told yet (NamespaceEvent), each once.
  std::vector<std::uint64_t> take_unknown_namespaces() {
    return table_.port_ranges().take_unknown();
  }
  const PortRanges& port_ranges() const { return table_.port_ranges(); }
  unsigned hz() const { return config_.hz; }
  // look(OpenConnection) for each that the kernel has now, and that the run is about: also what is
  // half open, and what is not told yet. Left out is what is over but for the reason, and a Fast
  // Open child before its handshake is complete: nobody knows its addresses.
  template <typename Look>
  void for_each_open(Look&& look) const {
    table_.for_each([&](Id id) {
      const Connection& connection = table_[id];
      if (connection.carrier == Carrier::Newborn || connection.pending_end != PendingEnd::None)
        return;
      if (publisher_.passes(connection)) look(OpenConnection(connection, table_, publisher_));
    });
  }
  // ... of those in the states that have a threshold, by state.
  std::vector<WatchedState> watched_states(Nanos now) const;
  // Not while the first walk through all sockets is on: those that are older are missing.
  bool is_whole() const { return resync_.is_whole(); }
  std::vector<Question> take_questions() { return questions_.take(); }
  // As Questions::subject_of() and retarget().
  std::optional<Questions::Subject> subject_of(const InquiryEvent& answer) const {
    return questions_.subject_of(answer);
  }
  bool retarget_answer(InquiryEvent& answer, const Questions::Subject& subject) const {
    return questions_.retarget(answer, subject);
  }
  // When a look at all descriptors whose connection is over is due (DeadEvent); nullopt: nothing is
  // waited for.
  std::optional<Nanos> dead_look_due() { return dead_.look_due(); }
  // Such looks may be put together within this time.
  Nanos dead_looks_apart() const { return dead_.looks_apart(); }
  bool watches_descriptors() const { return dead_.threshold().has_value(); }
  const std::vector<Longest>& longest() const { return run_book_.longest(); }
  // Events were lost, or an answer does not fit: a walk through all sockets would put it right.
  bool wants_snapshot() const { return resync_.wants_snapshot(); }
  // What the walk finds comes as SnapshotEvents in between.
  void snapshot_begins() { resync_.snapshot_begins(); }
  void snapshot_ended();
  // A walk through accept queues: what it finds comes as one AcceptQueuesEvent.
  void queue_walk_begins() { queues_.walk_begins(); }
  // Where there may be listeners; in an accept queue longer than the threshold is too long.
  std::vector<std::uint64_t> take_listening_namespaces() { return queues_.take_namespaces(); }
  const Thresholds& thresholds() const { return config_.thresholds; }
  // When a flag may be due, if that is within `horizon`.
  std::optional<Nanos> next_flag(Nanos horizon) const { return flags_.next_within(horizon); }

 private:
  using Id = ConnectionTable::Id;
  static constexpr Id kNone = ConnectionTable::kNone;

  // lifecycle.cpp: what comes in
  void on_event(const TransitionEvent& event);
  void on_event(const TimewaitEvent& event);
  void on_event(const RequestEvent& event);
  void on_event(const AcceptEvent& event);
  void on_event(const ResetEvent& event);
  void on_event(const SynEvent& event);
  void on_event(const LossEvent& event) { resync_.lost(event); }
  void on_event(const ClockEvent& event);
  void on_event(const SuspendEvent& event);
  void on_event(const CgroupEvent& event);
  void on_event(const NamespaceEvent& event);
  void on_event(const SnapshotEvent& event);
  void on_event(const InquiryEvent& event);
  void on_event(const HoldersEvent& event) { flags_.learn(event); }
  void on_event(const DeadEvent& event) { dead_.looked(event); }
  void on_event(const ReleaseEvent& event) { run_.released(event); }
  void on_event(const ExitEvent& event) { run_.exits(event); }
  void on_event(const MptcpChangeEvent& event);
  void on_event(const MptcpEvent& event);
  void on_event(const ProcessesEvent& event) { flags_.learn(event); }
  void on_event(const AcceptQueuesEvent& event);
  bool is_legal_after(const Event& event) const;
  void finish_life(Id id, Nanos at, const Ending& ending, std::optional<TimeWaitEnded> time_wait);
  void give_up(Id id, Nanos at);
  Id create();
  void forget(Id id);
  HeldTransition move(Id id, State to, Nanos at, Nanos error, Why why);
  bool hidden_by_flow(Id id);
  void accepted_unseen(const AcceptEvent& event);

  // lifecycle_pending.cpp: ends that may be none
  void resolve(Id id);
  void heard_of_minisock(Id id, Nanos at);
  void ask_about_end(Id id, Nanos now);
  void end_answered(Id id, const InquiryEvent& answer);
  void closed_answered(Id id, const InquiryEvent& answer);
  void was_no_end(Id id, Nanos at);
  void went_on(Id id, Nanos at);
  void went_on_as_minisock(Id id, State substate, Nanos at);
  void went_on_as_socket(Id id, const InquiryEvent& answer);

  // lifecycle_socket.cpp: full sockets
  void begin_life(const TransitionEvent& event);
  void begin_child(const TransitionEvent& event) { create_child(event.object, event.at); }
  Id create_child(std::uint64_t object, Nanos at);
  void tell_listening(Id id);
  void tell_listening_until(Nanos since);
  void listen_answered(Id id, const InquiryEvent& answer);
  bool has_failed_to_listen(Id id, const TransitionEvent& event) const;
  bool was_killed(const TransitionEvent& event);
  Id adopt(const TransitionEvent& event);
  Id adopt_child(const TransitionEvent& event);
  void grow_up(Id id, std::uint64_t cookie, const Flow& flow, std::uint64_t cgroup_id);
  Id adopt_older(const TransitionEvent& event);
  void step(Id id, const TransitionEvent& event);
  std::optional<ConnectFailure> connect_failure(Id id, const TransitionEvent& event) const;
  void connect_failed(Id id, ConnectFailure reason, Nanos at);
  void tell_failed_connects(Nanos now);
  void close_socket(Id id, const TransitionEvent& event);
  void leave_to_minisock(Id id, const TransitionEvent& event);
  void bridge_gap(Id id, State to, Nanos before);
  void find_origin(Id id, State from, TimewaitEvent start);
  void find_lost_origin(Id id, Nanos at);
  void settle_closed(Id id, const TransitionEvent& event);

  // lifecycle_minisock.cpp
  Id known_minisock(const TimewaitEvent& event);
  Id minisock_without_start(const TimewaitEvent& event);
  Id minisock_without_close(const TimewaitEvent& event);
  void retire_object(std::uint64_t object, Nanos at);
  void start_minisock(const TimewaitEvent& event);
  void learn_minisock(Connection& connection, const TimewaitEvent& event);
  void rearm_minisock(Id id, const TimewaitEvent& event);
  void restarted(Id id);
  Id adopt_minisock(const TimewaitEvent& event);
  bool fin_came_before(const Connection& connection, const TimewaitEvent& event) const;
  void catch_up_with_fin(Id id, const TimewaitEvent& event);
  void end_minisock(Id id, const TimewaitEvent& event, bool expired);
  Nanos jiffies(std::int64_t count) const;

  // lifecycle_request.cpp
  void start_request(const RequestEvent& event, Id id);
  bool has_migrated(Id before, const RequestEvent& event) const;
  void replace(Id id, Nanos at);
  void end_request(Id id);

  // lifecycle_answers.cpp
  bool answered_otherwise(Id id, const InquiryEvent& answer);
  void become_child(Id id, const InquiryEvent& answer);
  void left_to_minisock_unseen(Id id, const InquiryEvent& answer);
  void entered_time_wait_unseen(Id id, Nanos from, Nanos to);

  // lifecycle_snapshot.cpp: sockets that are older than the trace
  void found_full(const SnapshotEvent& event);
  void found_minisock(const SnapshotEvent& event);
  void found_request(const SnapshotEvent& event);
  Id former_self(const SnapshotEvent& event);
  void keep_found(Id id, const SnapshotEvent& event);
  void date(Connection& connection, StateBegin begin);
  void date_request(Connection& connection, const SnapshotEvent& event);

  struct PendingSyn {
    Nanos at;
    Id id;
    std::uint32_t generation;
  };

  const LifecycleConfig config_;
  ConnectionTable table_;
  DwellBook dwells_;
  Publisher publisher_;
  Resync resync_;
  Questions questions_;
  PendingEnds pending_;
  StaleScan stale_;
  RunBook run_book_;
  Flags flags_;
  DeadFlags dead_;
  RunJudge run_;
  QueueFlags queues_;
  std::deque<PendingSyn> silent_syns_;  // connect() and listen() whose port is not known yet
  std::deque<PendingSyn> listens_;      // not published yet: listen() may have failed
  FailedConnects failed_connects_;      // not published yet
  Nanos failed_connects_due_{};
  std::vector<Nanos> listener_reset_;  // when each CPU sent an RST for a listener last
  std::uint64_t ended_ = 0;
  std::uint64_t corrected_ = 0;
};

}  // namespace tcpdwell
