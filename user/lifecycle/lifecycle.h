// SPDX-License-Identifier: Apache-2.0
// Turns kernel events into connections: a request sock, a full socket and a minisock become one
// connection with the states of RFC 9293. Pure: no clock, no I/O, so a recording replays to the
// result of the live run.
//
// Rules:
//  - A minisock's timer starts before its full socket goes to CLOSE. That CLOSE is not an end.
//  - A timer_cancel is ambiguous. The next event of the same timer, on the same CPU, tells what it
//    meant. So some ends are published late, with their earlier time.
//  - A cookie can have several lives; a kernel address is reused at once.
//  - `current` is an owner only if the kernel side says so (TransitionEvent::task).
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
#include "lifecycle/recent_closes.h"
#include "lifecycle/resync.h"
#include "lifecycle/run_judge.h"
#include "lifecycle/stale_scan.h"
#include "lifecycle/state_begin.h"
#include "lifecycle/table.h"
#include "model/event.h"
#include "model/thresholds.h"

namespace tcpdwell {

class Lifecycle {
 public:
  // `filter` and `sink` must outlive this object.
  Lifecycle(const LifecycleConfig& config, const Filter& filter, Sink& sink);

  void on(const Event& event);
  // on(event) follows soon: prefetches the index entry, then (later, in expect_soon()) the
  // connection.
  void expect(const Event& event) const;
  void expect_soon(const Event& event) const;
  // All events up to `now` were given to on(). Resolves pending ends and raises flags that are due.
  void tick(Nanos now);
  // The stream is over: resolves the pending ends that are old enough, publishes held records.
  void finish(Nanos now);

  std::uint64_t connections_ended() const { return ended_; }
  std::uint64_t open() const { return table_.size(); }
  // Only connections that pass the filter. Walks the whole table.
  EndRecord::Passed passed() const {
    EndRecord::Passed passed = publisher_.passed();
    table_.for_each([&](Id id) { passed.open += publisher_.passes(table_[id]) ? 1 : 0; });
    return passed;
  }
  // Lower bound of the transitions that happened, were not received and were not counted as lost.
  // On some kernels, BPF programs miss softirq events that interrupt certain tasks.
  std::uint64_t unseen() const { return resync_.unseen(); }
  // Pending ends that were wrong: the kernel still had the connection, by its answer or by an event
  // before the answer.
  std::uint64_t corrected() const { return corrected_; }
  std::uint64_t evicted() const { return table_.evicted(); }
  When when(Nanos at) const { return publisher_.when(at); }
  std::uint64_t flags_raised() const { return flags_.counts().raised + queues_.raised(); }
  std::uint64_t flags_open() const { return flags_.counts().open + queues_.open(); }
  // Subflows whose flag was due, but whose MPTCP socket could not be read.
  std::uint64_t mptcp_not_judged() const { return flags_.mptcp_not_judged(); }
  std::vector<std::uint64_t> take_unknown_cgroups() { return publisher_.cgroups().take_unknown(); }
  // nullptr: not known. Does not ask for it.
  const std::string* known_cgroup(std::uint64_t id) const {
    return publisher_.cgroups().known_path_of(id);
  }
  // Cookies of namespaces whose port range is not known yet (NamespaceEvent), each once.
  std::vector<std::uint64_t> take_unknown_namespaces() {
    return table_.port_ranges().take_unknown();
  }
  const PortRanges& port_ranges() const { return table_.port_ranges(); }
  unsigned hz() const { return config_.hz; }
  // Calls look(OpenConnection) for each open connection that passes the filter, including half-open
  // and unpublished ones. Skips pending ends, and Fast Open children before their handshake is
  // complete: their addresses are not known.
  template <typename Look>
  void for_each_open(Look&& look) const {
    table_.for_each([&](Id id) {
      if (is_shown_open(table_[id])) look(OpenConnection(id, table_, publisher_));
    });
  }
  // The connection with this OpenConnection::key(), or cookie; nullopt: for_each_open() would not
  // call with it.
  std::optional<OpenConnection> find_open(std::uint64_t key) const {
    const auto id = static_cast<Id>(key >> 32U);
    return table_.alive(id, static_cast<std::uint32_t>(key)) ? open_at(id) : std::nullopt;
  }
  std::optional<OpenConnection> find_open_cookie(std::uint64_t cookie) const {
    const Id id = cookie == 0 ? kNone : table_.by_cookie(cookie);
    return id == kNone ? std::nullopt : open_at(id);
  }
  // Open connections in the states that have a threshold, by state.
  std::vector<WatchedState> watched_states(Nanos now) const;
  // `run`: the followed processes that have exited.
  const std::vector<std::uint32_t>& exited() const { return run_.exited(); }
  // False during the first walk through all sockets: older sockets are missing.
  bool is_whole() const { return resync_.is_whole(); }
  std::vector<Question> take_questions() { return questions_.take(); }
  // See Questions::subject_of() and retarget().
  std::optional<Questions::Subject> subject_of(const InquiryEvent& answer) const {
    return questions_.subject_of(answer);
  }
  bool retarget_answer(InquiryEvent& answer, const Questions::Subject& subject) const {
    return questions_.retarget(answer, subject);
  }
  // When the next scan of descriptors of ended connections is due (DeadEvent); nullopt: none.
  std::optional<Nanos> dead_walk_due() { return dead_.look_due(); }
  // Scans due within this time may be combined.
  Nanos dead_walks_apart() const { return dead_.looks_apart(); }
  bool watches_descriptors() const { return dead_.threshold().has_value(); }
  const std::vector<Longest>& longest() const { return recent_closes_.longest(); }
  // Events were lost, or an answer contradicts the table: a walk through all sockets corrects it.
  bool wants_snapshot() const { return resync_.wants_snapshot(); }
  // Give the SnapshotEvents of the walk to on() between the two calls.
  void snapshot_begins() { resync_.snapshot_begins(); }
  void snapshot_ended();
  // A walk through accept queues begins. Its result is one AcceptQueuesEvent.
  void queue_walk_begins() { queues_.walk_begins(); }
  // Cookies of namespaces that may have listeners: walk their accept queues.
  std::vector<std::uint64_t> take_listening_namespaces() { return queues_.take_namespaces(); }
  bool wants_queue_walks() const {
    return config_.thresholds.accept || publisher_.wants_full_queues();
  }
  // Listeners whose accept queue was full at the last walk.
  const FullQueues& full_queues() const { return queues_.full(); }
  const Thresholds& thresholds() const { return config_.thresholds; }
  // When the next flag may be due; nullopt: not within `horizon`.
  std::optional<Nanos> next_flag(Nanos horizon) const { return flags_.next_within(horizon); }

 private:
  using Id = ConnectionTable::Id;
  static constexpr Id kNone = ConnectionTable::kNone;

  bool is_shown_open(const Connection& connection) const {
    return connection.carrier != Carrier::Newborn && connection.pending_end == PendingEnd::None &&
           publisher_.passes(connection);
  }
  std::optional<OpenConnection> open_at(Id id) const {
    if (!is_shown_open(table_[id])) return std::nullopt;
    return OpenConnection(id, table_, publisher_);
  }

  // lifecycle.cpp: event dispatch
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
  void on_event(const StackEvent& event) {
    publisher_.code_places().on(event, table_.by_cookie(event.cookie) != kNone);
  }
  bool is_legal_after(const Event& event) const;
  void finish_life(Id id, Nanos at, const Ending& ending, std::optional<TimeWaitEnded> time_wait,
                   std::uint8_t syns_sent = 0);
  void end_unseen(Id id, Nanos at);
  Id create();
  void forget(Id id);
  HeldTransition move(Id id, State to, Nanos at, Nanos error, Why why, std::uint8_t syns_sent = 0);
  bool hidden_by_flow(Id id);
  void accepted_unseen(const AcceptEvent& event);

  // lifecycle_pending.cpp: resolve or retract pending ends
  void resolve(Id id);
  void on_minisock_segment(Id id, Nanos at);
  void ask_about_end(Id id, Nanos now);
  void end_answered(Id id, const InquiryEvent& answer);
  void closed_answered(Id id, const InquiryEvent& answer);
  void count_false_end(Id id, Nanos at);
  void retract_end(Id id, Nanos at);
  void continue_as_minisock(Id id, State substate, Nanos at);
  void continue_as_socket(Id id, const InquiryEvent& answer);

  // lifecycle_socket.cpp: full sockets
  void begin_life(const TransitionEvent& event);
  void begin_child(const TransitionEvent& event) { create_child(event.object, event.at); }
  Id create_child(std::uint64_t object, Nanos at);
  void publish_listening(Id id);
  void publish_listening_until(Nanos since);
  void listen_answered(Id id, const InquiryEvent& answer);
  bool has_failed_to_listen(Id id, const TransitionEvent& event) const;
  bool was_killed(const TransitionEvent& event);
  Id adopt(const TransitionEvent& event);
  Id adopt_child(const TransitionEvent& event);
  void promote(Id id, std::uint64_t cookie, const Flow& flow, std::uint64_t cgroup_id);
  Id adopt_older(const TransitionEvent& event);
  void step(Id id, const TransitionEvent& event);
  std::optional<ConnectFailure> connect_failure(Id id, const TransitionEvent& event) const;
  void connect_failed(Id id, ConnectFailure reason, Nanos at);
  void publish_failed_connects(Nanos now);
  void close_socket(Id id, const TransitionEvent& event);
  void on_close_after_minisock(Id id, const TransitionEvent& event);
  void learn_port(Id id, const Endpoint& local);
  void bridge_gap(Id id, State to, Nanos before);
  void resolve_origin(Id id, State from, TimewaitEvent start);
  void assume_origin(Id id, Nanos at);
  void settle_closed(Id id, const TransitionEvent& event);

  // lifecycle_minisock.cpp
  Id known_minisock(const TimewaitEvent& event);
  Id minisock_without_start(const TimewaitEvent& event);
  Id minisock_without_close(const TimewaitEvent& event);
  void retire_object(std::uint64_t object, Nanos at);
  void start_minisock(const TimewaitEvent& event);
  void learn_minisock(Connection& connection, const TimewaitEvent& event);
  void rearm_minisock(Id id, const TimewaitEvent& event);
  void on_timer_restarted(Id id);
  Id adopt_minisock(const TimewaitEvent& event);
  bool fin_came_before(const Connection& connection, const TimewaitEvent& event) const;
  void apply_unseen_fin(Id id, const TimewaitEvent& event);
  void end_minisock(Id id, const TimewaitEvent& event, bool expired);
  Nanos jiffies(std::int64_t count) const;

  // lifecycle_request.cpp
  void start_request(const RequestEvent& event, Id id);
  bool has_migrated(Id before, const RequestEvent& event) const;
  void replace(Id id, Nanos at);
  void end_request(Id id);

  // lifecycle_answers.cpp
  bool follow_carrier_change(Id id, const InquiryEvent& answer);
  void promote_unseen(Id id, const InquiryEvent& answer);
  void enter_minisock_unseen(Id id, const InquiryEvent& answer);
  void entered_time_wait_unseen(Id id, Nanos from, Nanos to);

  // lifecycle_snapshot.cpp: sockets that a walk found
  void found_full(const SnapshotEvent& event);
  void found_minisock(const SnapshotEvent& event);
  void found_request(const SnapshotEvent& event);
  Id predecessor_of(const SnapshotEvent& event);
  void finish_found(Id id, const SnapshotEvent& event);
  void date(Connection& connection, StateBegin begin);
  void date_request(Connection& connection, const SnapshotEvent& event);

  struct PendingOpen {
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
  RecentCloses recent_closes_;
  Flags flags_;
  DeadFlags dead_;
  RunJudge run_;
  QueueFlags queues_;
  std::deque<PendingOpen> without_port_;     // connect() and listen() whose port is not known yet
  std::deque<PendingOpen> pending_listens_;  // not published yet: listen() may have failed
  FailedConnects failed_connects_;           // not published yet
  Nanos failed_connects_due_{};
  std::vector<Nanos> listener_reset_;  // by CPU: the last RST that it sent for a listener
  std::uint64_t ended_ = 0;
  std::uint64_t corrected_ = 0;
};

}  // namespace tcpdwell
