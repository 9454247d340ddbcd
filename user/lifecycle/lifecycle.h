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

#include "lifecycle/dead_descriptors.h"
#include "lifecycle/ending.h"
#include "model/event.h"
#include "lifecycle/failed_connects.h"
#include "lifecycle/filter.h"
#include "lifecycle/mptcp_view.h"
#include "lifecycle/open_connection.h"
#include "lifecycle/publisher.h"
#include "lifecycle/queue_flags.h"
#include "lifecycle/run_book.h"
#include "lifecycle/state_begin.h"
#include "lifecycle/state_memory.h"
#include "lifecycle/table.h"
#include "model/thresholds.h"
#include "lifecycle/timer_wheel.h"

namespace tcpdwell {

struct LifecycleConfig {
  unsigned hz = 250;
  Nanos began{};  // when everything was attached: a socket seen later may be older
  bool watches_resets = true;
  // The kernel is asked within a second for what seems to stay in a state that does not last. Else,
  // as in recordings of older versions, much later.
  bool asks_soon = false;
  bool sees_segments = false;  // that a minisock gets: it is in TIME_WAIT only after one of them
  bool sees_cancellers = true;  // who cancelled a timer is told, where it is not its natural end
  std::size_t max_connections = 4'000'000;
  Thresholds thresholds;
  // Set: this is `run`. A socket of the command that was in CLOSE_WAIT for so long is flagged when
  // nothing but the exit of its process closes it.
  std::optional<Nanos> exit_grace;
  // `leaks`: what may be over its threshold is flagged, too: only the upper bound of its age is.
  bool flags_uncertain = false;
  StateMemory* memory = nullptr;  // what earlier looks knew; null: there are none
};

// Is a socket (still) there, in which state, and why? Asked before a flag is raised, before an end
// is told that is improbable, and of what a walk through all sockets did not find. Answered with an
// InquiryEvent of the same id, generation and serial.
struct Question {
  std::uint32_t id = 0, generation = 0;
  std::uint32_t serial = 0;  // a connection can be asked about twice before the first answer comes
  std::uint64_t cookie = 0;  // 0: a request sock that has none
  Flow flow;
  State state = State::Closed;
  bool for_flag = false;  // else it is of no interest who holds it
  bool for_end = false;   // only what is connected is of interest, no listener
  bool mptcp = false;     // a subflow: its MPTCP socket is to be looked at, too (MptcpEvent)
};

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
  std::uint64_t unseen() const { return unseen_; }
  // Ends that would have been told, but the kernel still had the connection when it was asked, or
  // showed it while the answer was awaited.
  std::uint64_t corrected() const { return corrected_; }
  std::uint64_t evicted() const { return table_.evicted(); }
  When when(Nanos at) const { return publisher_.when(at); }
  std::uint64_t flags_raised() const { return flags_raised_ + queues_.raised(); }
  std::uint64_t flags_open() const { return flags_open_ + queues_.open(); }
  // Subflows whose flag was due, and whose MPTCP socket could not be looked at.
  std::uint64_t mptcp_not_judged() const { return mptcp_not_judged_; }
  std::vector<std::uint64_t> take_unknown_cgroups() { return publisher_.take_unknown_cgroups(); }
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
      if (connection.carrier == Carrier::Newborn || connection.pending_end != PendingEnd::None) return;
      if (publisher_.passes(connection)) look(OpenConnection(connection, table_, publisher_));
    });
  }
  // ... of those in the states that have a threshold, by state.
  std::vector<WatchedState> watched_states(Nanos now) const;
  // Not while the first walk through all sockets is on: those that are older are missing.
  bool is_whole() const { return !first_walk_; }
  std::vector<Question> take_questions() { return std::exchange(questions_, {}); }
  // Whom an answer is about, if it is about anybody: in another table, of another filter or of a
  // later beginning, the same connection has another id.
  struct Subject {
    std::uint64_t cookie = 0, object = 0;
    Nanos entered{};
  };
  std::optional<Subject> subject_of(const InquiryEvent& answer) const;
  // The same connection's, in the same state, of this table. False: it is not there, or was not
  // asked about.
  bool retarget_answer(InquiryEvent& answer, const Subject& subject) const;
  // When a look at all descriptors whose connection is over is due (DeadEvent); nullopt: nothing is
  // waited for.
  std::optional<Nanos> dead_look_due();
  // Such looks may be put together within this time.
  Nanos dead_looks_apart() const;
  bool watches_descriptors() const { return threshold_of_closed().has_value(); }
  const std::vector<Longest>& longest() const { return run_.longest(); }
  // Events were lost, or an answer does not fit: a walk through all sockets would put it right.
  bool wants_snapshot() const { return wants_snapshot_; }
  // What the walk finds comes as SnapshotEvents in between.
  void snapshot_begins();
  void snapshot_ended();
  // A walk through accept queues: what it finds comes as one AcceptQueuesEvent.
  void queue_walk_begins() { queues_.walk_begins(); }
  // Where there may be listeners; in an accept queue longer than the threshold is too long.
  std::vector<std::uint64_t> take_listening_namespaces() { return queues_.take_namespaces(); }
  const Thresholds& thresholds() const { return config_.thresholds; }
  // When a flag may be due, if that is within `horizon`.
  std::optional<Nanos> next_flag(Nanos horizon) const { return timers_.next_within(horizon); }

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
  void on_event(const LossEvent& event);
  void on_event(const ClockEvent& event);
  void on_event(const SuspendEvent& event) { publisher_.suspended(event); }
  void on_event(const CgroupEvent& event);
  void on_event(const NamespaceEvent& event);
  void on_event(const SnapshotEvent& event);
  void on_event(const InquiryEvent& event);
  void on_event(const HoldersEvent& event);
  void on_event(const DeadEvent& event);
  void on_event(const ReleaseEvent& event);
  void on_event(const ExitEvent& event);
  void on_event(const MptcpChangeEvent& event);
  void on_event(const MptcpEvent& event);
  void on_event(const ProcessesEvent& event);
  void on_event(const AcceptQueuesEvent& event);
  void saw_cpu(std::uint32_t cpu, Nanos at);
  void finish_life(Id id, Nanos at, const Ending& ending, std::optional<TimeWaitEnded> time_wait);
  void give_up(Id id, Nanos at);
  Id create();
  void forget(Id id);
  Dwell move(Id id, State to, Nanos at, Nanos error, Why why);
  bool hidden_by_flow(Id id);
  void count_unseen(const Connection& connection, State to, Nanos at);
  void count_unseen(std::uint64_t count, Nanos at);
  void accepted_unseen(const AcceptEvent& event);
  void count_resync(Nanos at);
  void report_resync(Nanos at);
  // True if something that was to follow an event at `at` may have been lost.
  bool lost_since(Nanos at) const;

  // lifecycle_doubt.cpp: ends that may be none
  template <typename E>
  void suspect_end(Id id, PendingEnd pending_end, const E& event);
  void resolve(Id id);
  void resolve_pending_ends(Nanos now);
  void resolve_last_pending_ends(Nanos now);
  bool is_improbable(const Connection& connection) const;
  bool may_ask(Carrier carrier, Nanos now);
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
  Nanos unseen_since(Nanos at) const;
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

  // lifecycle_unseen.cpp: what the kernel hides
  void look_for_stale(Nanos now);
  bool is_stale(const Connection& connection, Nanos now, Nanos gap) const;
  bool may_ask_for_stale(Nanos now);
  static bool is_stale_later(const Connection& connection, Nanos age);
  Nanos time_beyond(const Connection& connection, Nanos now) const;
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

  // lifecycle_flags.cpp
  void watch(Id id, Nanos orphaned = {});
  void flag_due(Id id);
  void ask(Id id, bool for_flag, bool for_end = false);
  std::optional<Nanos> threshold_of(const Connection& connection) const;
  Nanos flagged_from(const Connection& connection) const;
  void wait_until(Id id, Nanos at);
  void stop_timer(Connection& connection);
  bool is_successor(Id id, const InquiryEvent& event);
  bool waits_for_accept(const InquiryEvent& event) const;
  void watch_accepted(Id id, Nanos at);
  void raise_flag(Id id, const InquiryEvent& event);
  void on_state_left(Id id, State from, const Dwell& dwell, Nanos at);
  void clear_flag(Id id, State from, const Dwell& dwell, Nanos at);
  void drop_flag(Id id);

  // lifecycle_dead.cpp: descriptors whose connection is over
  std::optional<Nanos> threshold_of_closed() const {
    return config_.thresholds.of[index(State::Closed)];
  }
  using DeadEntry = DeadDescriptors::Entry;
  std::optional<DeadEntry> kept_descriptor(Id id, const TransitionEvent& event) const;
  void keep_descriptor(const std::optional<DeadEntry>& entry);
  void used_again(std::uint64_t cookie, Nanos at);
  void found_dead(const DeadSocket& socket, Nanos look);
  DeadEntry* known_dead(const DeadSocket& socket);
  std::optional<DeadEntry> older_dead(const DeadSocket& socket) const;
  void raise_dead(DeadEntry& entry, const DeadSocket& socket);
  void add_watched(const DeadEntry& entry, Nanos now, WatchedState& state) const;
  FlagRecord dead_flag(const DeadEntry& entry, Nanos at) const;
  void clear_dead(const DeadEntry& entry, Nanos at, Nanos error);

  // lifecycle_run.cpp: what `run` says
  void note_longest(Id id, State state, Nanos dwell);
  void judge_leaving(Id id, const TransitionEvent& event);
  void judge(RunBook::Judged judged, bool by_exit, std::uint32_t closer);
  void tell(const RunBook::Judged& judged);
  void finish_run(Nanos now);

  // lifecycle_mptcp.cpp: subflows of MPTCP sockets
  MptcpView* mptcp_of(Id id);
  MptcpView* known_mptcp_of(Id id);
  const MptcpView* known_mptcp_of(Id id) const;
  void is_subflow(Id id);
  static Dwell mptcp_dwell(const MptcpView& view, Nanos at);
  void leave_judged(Id id, Nanos at);
  void found_mptcp(Id id, const MptcpSubflow& subflow);
  StateBegin begin_of_mptcp(Id id, const MptcpSubflow& subflow) const;
  std::optional<Nanos> threshold_of(const MptcpView& view) const;
  std::optional<Nanos> mptcp_due(const MptcpView& view) const;
  void watch_mptcp(Id id, const MptcpView& view);
  void mptcp_answered(Id id, MptcpView& view, const InquiryEvent& event);
  FlagRecord mptcp_flag(const MptcpView& view, Nanos at) const;
  void mptcp_closed_by_exit(Id id, const MptcpChangeEvent& event);

  struct Deadline {
    Nanos at;
    Id id;
    std::uint32_t generation, serial;
  };
  bool is_pending(const Deadline& due) const;
  struct PendingSyn {
    Nanos at;
    Id id;
    std::uint32_t generation;
  };

  LifecycleConfig config_;
  ConnectionTable table_;
  Publisher publisher_;
  QueueFlags queues_;
  std::deque<Deadline> pending_ends_;  // in the order of their time
  std::deque<Deadline> asked_;   // those of them that wait for an answer, in the same order
  Nanos asked_requests_until_{}, asked_sockets_until_{};  // the bound of questions about ends
  Nanos asked_stale_until_{};                             // ... about what is old for its state
  std::deque<PendingSyn> silent_syns_;  // connect(), listen() whose port we have not seen yet
  std::deque<PendingSyn> listens_;      // that are not told yet: they may have failed
  FailedConnects failed_connects_;      // that are not told yet
  Nanos failed_connects_due_{};
  std::vector<Nanos> cpu_last_;        // when each CPU was heard of last
  std::vector<Nanos> listener_reset_;  // ... and sent an RST for a listener
  Nanos last_loss_{-1};
  std::uint64_t ended_ = 0;
  std::uint64_t unseen_ = 0;
  std::uint64_t corrected_ = 0;
  std::uint64_t unexplained_ = 0;  // those of them since then
  Nanos unexplained_since_{};
  Id stale_hand_ = 0;  // where look_for_stale() goes on
  Nanos stale_looked_{-1};
  TimerWheel timers_;
  DeadDescriptors dead_;
  RunBook run_;
  std::vector<Question> questions_;
  ProcessesEvent processes_;  // the last; by pid
  std::uint64_t flags_raised_ = 0, flags_open_ = 0;
  MptcpViews mptcp_;
  std::uint64_t mptcp_not_judged_ = 0;
  bool wants_snapshot_ = false;
  bool first_walk_ = false;      // through all sockets: it is on
  bool walked_ = false;          // one was begun
  std::uint16_t snapshots_ = 0;  // that were begun
  std::uint32_t pending_so_far_ = 0;
  std::uint64_t resynced_ = 0;  // connections put right since the last `lost` record
  Nanos resynced_at_{};
  LossCause last_loss_cause_ = LossCause::RingFull;
};

}  // namespace tcpdwell
