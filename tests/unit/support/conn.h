// SPDX-License-Identifier: Apache-2.0
// The events of one connection, as the kernel sends them.
//
//   Story story;
//   story.client(7).connects(0ms).moves(SynSent, Established, 20ms).closes(Established, 1s);
//   EXPECT_EQ(story.life(7).states(), "CLOSED, SYN_SENT 20ms, ESTABLISHED 980ms, FIN_WAIT_1");
//
// Times count from `kBegan`, when all programs were attached.
#pragma once

#include "support/story.h"

namespace tcpdwell::life_story {

// One local end, and the kernel objects that carry it one after the other.
class Conn {
 public:
  Conn(Story& story, std::uint64_t cookie, const Flow& flow)
      : story_(story), cookie_(cookie), flow_(flow) {}

  // From here on: on another CPU, with a minisock at another address, without a cookie in it.
  Conn& on_cpu(std::uint32_t cpu) { return cpu_ = cpu, *this; }
  Conn& minisock_at(std::uint64_t object) { return minisock_ = object, *this; }
  Conn& minisock_cookie(std::uint64_t cookie) { return minisock_cookie_ = cookie, *this; }
  Conn& request_at(std::uint64_t object) { return request_ = object, *this; }
  Conn& socket_at(std::uint64_t object) { return socket_ = object, *this; }
  Conn& in_cgroup(std::uint64_t id) { return cgroup_ = id, *this; }
  Conn& on_device(std::uint32_t device) { return flow_.device = device, *this; }
  Conn& local_port(std::uint16_t port) { return flow_.local.port = port, *this; }
  const Flow& flow() const { return flow_; }
  std::uint64_t minisock_address() const { return minisock_; }
  std::uint64_t cookie() const { return cookie_; }

  // The local port is chosen after this.
  Conn& connects(Nanos at, Facts facts = {.pid = kPid}) {
    Flow flow = flow_;
    flow.local.port = 0;
    return transition(Closed, SynSent, at, facts, flow, cookie_);
  }
  Conn& listens(Nanos at, Facts facts = {.pid = kPid}) {
    return transition(Closed, Listen, at, facts, flow_, cookie_);
  }
  Conn& moves(State from, State to, Nanos at, Facts facts = {}) {
    return transition(from, to, at, facts, flow_, cookie_);
  }
  // close(): to the state that follows `from`
  Conn& closes(State from, Nanos at, std::uint32_t pid = kPid) {
    const State to = from == CloseWait ? LastAck : from == Listen ? Closed : FinWait1;
    return moves(from, to, at, closed_by(pid));
  }
  // It goes to CLOSED without ports and addresses, as after tcp_disconnect().
  Conn& vanishes(State from, Nanos at, Facts facts) {
    Flow flow = flow_;
    flow.local = flow.remote = Endpoint{};
    return transition(from, Closed, at, facts, flow, cookie_);
  }
  // connect() that is answered after 10 ms
  Conn& establishes(Nanos at) { return connects(at - 10ms).moves(SynSent, Established, at); }

  // A child is announced: before 6.18 with its listener's cookie and without a flow of its own.
  Conn& born(Nanos at) {
    return transition(Listen, SynReceived, at, {.attached = false}, flow_, cookie_);
  }
  Conn& born_of(const Conn& listener, Nanos at) {
    return transition(Listen, SynReceived, at, {.attached = false}, listener.flow_,
                      listener.cookie_);
  }
  Conn& accepted(Nanos at, std::uint32_t pid = kPid, std::uint64_t cgroup_id = 0) {
    return emit(AcceptEvent{story_.get().clock(at), socket_, cookie_, process(pid, cgroup_id)});
  }
  // A request whose child is made on the first ACK, accepted at once
  Conn& arrives(Nanos at) {
    request(TimerOp::Start, at - 1ms).born(at);
    return request(TimerOp::Cancel, at).moves(SynReceived, Established, at, {.attached = false});
  }

  Conn& minisock(TimerOp op, State substate, Nanos at, Timer timer = {}) {
    return emit(TimewaitEvent{.at = story_.get().clock(at),
                              .cpu = cpu_,
                              .op = op,
                              .object = minisock_,
                              .cookie = minisock_cookie_.value_or(cookie_),
                              .flow = flow_,
                              .left_jiffies = jiffies(timer.left),
                              .entry_stamp_ms = timer.stamp_ms,
                              .substate = substate,
                              .canceller = timer.canceller});
  }
  Conn& minisock_starts(State substate, Nanos at, Timer timer = {}) {
    return minisock(TimerOp::Start, substate, at, timer);
  }
  Conn& minisock_cancelled(State substate, Nanos at, Timer timer = {}) {
    return minisock(TimerOp::Cancel, substate, at, timer);
  }
  // timer_cancel comes first, always
  Conn& minisock_expires(State substate, Nanos at, Timer timer = {.left = 0s}) {
    minisock(TimerOp::Cancel, substate, at, timer);
    return minisock(TimerOp::Expire, substate, at, timer);
  }
  Conn& minisock_rearmed(Nanos at, Timer before) {
    minisock(TimerOp::Cancel, TimeWait, at, before);
    return minisock(TimerOp::Start, TimeWait, at, {.stamp_ms = before.stamp_ms});
  }
  Conn& segment(Nanos at, Timer timer = {}) {
    return minisock(TimerOp::Segment, TimeWait, at, timer);
  }
  // The full socket hands over: its minisock starts, it goes to CLOSED.
  Conn& hands_over(State from, State substate, Nanos at, Timer timer = {}) {
    minisock_starts(substate, at, timer);
    return moves(from, Closed, at + 2us, orphan());
  }

  Conn& request(TimerOp op, Nanos at, Request request = {}) {
    return emit(RequestEvent{.at = story_.get().clock(at),
                             .cpu = cpu_,
                             .op = op,
                             .object = request_,
                             .cookie = 0,
                             .flow = flow_,
                             .retransmits = request.retransmits,
                             .listener_closed = request.listener_closed,
                             .canceller = request.canceller});
  }
  Conn& request_starts(Nanos at, Request facts = {}) { return request(TimerOp::Start, at, facts); }
  Conn& request_cancelled(Nanos at, Request facts = {}) {
    return request(TimerOp::Cancel, at, facts);
  }
  Conn& request_expires(Nanos at, Request facts = {}) {
    request(TimerOp::Cancel, at - 1us, facts);
    return request(TimerOp::Expire, at, facts);
  }

  // A walk through its namespace comes by.
  Conn& found(State state, Nanos at, Found facts = {}) {
    SnapshotEvent event = snapshot(SocketKind::Full, socket_, at);
    event.cookie = cookie_;
    event.state = state;
    event.attached = !facts.dead;
    event.dead = facts.dead;
    event.acked_ago = facts.acked_ago;
    event.received_ago = facts.received_ago;
    event.sent_ago = facts.sent_ago;
    event.stamps = facts.stamps;
    return emit(event);
  }
  Conn& minisock_found(State substate, Nanos at, Found facts = {}) {
    SnapshotEvent event = snapshot(SocketKind::Minisock, minisock_, at);
    event.cookie = minisock_cookie_.value_or(cookie_);
    event.state = substate;
    event.left_jiffies = jiffies(facts.left);
    event.entry_stamp_ms = facts.stamp_ms;
    event.timestamps = facts.timestamps;
    return emit(event);
  }
  // Without `syn_at` the kernel does not say when the SYN came.
  Conn& request_found(Nanos at, std::optional<Nanos> syn_at) {
    SnapshotEvent event = snapshot(SocketKind::Request, request_, at);
    event.state = SynReceived;
    if (syn_at) event.syn_at = story_.get().clock(*syn_at);
    return emit(event);
  }

  Conn& sends_reset(State state, Nanos at, bool memory = false) {
    return emit(ResetEvent{.at = story_.get().clock(at),
                           .cpu = cpu_,
                           .cookie = cookie_,
                           .state = state,
                           .memory = memory});
  }
  Conn& sends_syn_again(Nanos at) { return emit(SynEvent{story_.get().clock(at), cookie_, flow_}); }

 private:
  std::int32_t jiffies(Nanos time) const {
    return static_cast<std::int32_t>(time.count() * story_.get().hz() / 1'000'000'000);
  }
  SnapshotEvent snapshot(SocketKind kind, std::uint64_t object, Nanos at) const {
    SnapshotEvent event{.at = story_.get().clock(at), .kind = kind, .object = object};
    event.flow = flow_;
    event.sock_cgroup_id = cgroup_;
    return event;
  }
  Conn& emit(const Event& event) { return story_.get().on(event), *this; }
  Conn& transition(State from, State to, Nanos at, const Facts& facts, const Flow& flow,
                   std::uint64_t cookie) {
    TransitionEvent event{.at = story_.get().clock(at),
                          .cpu = cpu_,
                          .object = socket_,
                          .cookie = cookie,
                          .flow = flow,
                          .from = from,
                          .to = to,
                          .life = facts.life,
                          .sock_cgroup_id = cgroup_,
                          .err = facts.err,
                          .shutdown = facts.shutdown,
                          .dead = facts.dead,
                          .attached = facts.attached,
                          .closing = facts.closing,
                          .exiting = facts.exiting,
                          .mptcp = facts.mptcp,
                          .fastopen = facts.fastopen,
                          .unacked = facts.unacked,
                          .followed = facts.followed,
                          .by_followed = facts.by_followed,
                          .sent = facts.sent,
                          .repair = facts.repair,
                          .fins_done = facts.fins_done,
                          .listen_unsure = facts.listen_unsure,
                          .listen_failed = facts.listen_failed,
                          .may_be_killed = facts.may_be_killed,
                          .syns_sent = facts.syns_sent,
                          .receive_queue = facts.receive_queue,
                          .tally = facts.tally};
    if (facts.pid != 0) event.task = process(facts.pid, cgroup_);
    return emit(event);
  }

  std::reference_wrapper<Story> story_;
  std::uint64_t cookie_;
  Flow flow_;
  std::uint64_t socket_ = 0xffff'8880'0000'0000 + cookie_ * 0x1000;
  std::uint64_t minisock_ = socket_ + 0x400;
  std::uint64_t request_ = socket_ + 0x800;
  std::optional<std::uint64_t> minisock_cookie_;
  std::uint64_t cgroup_ = 0;
  std::uint32_t cpu_ = 0;
};

inline Flow flow_between(std::uint16_t local_port, std::uint16_t remote_port) {
  Flow flow;
  flow.local = {.addr = {10, 0, 0, 1}, .port = local_port};
  flow.remote = {.addr = {10, 0, 0, 2}, .port = remote_port};
  flow.netns_cookie = 1;
  flow.netns = 4026531840;
  return flow;
}

inline Conn Story::client(std::uint64_t cookie) {
  return {*this, cookie, flow_between(static_cast<std::uint16_t>(40000 + cookie), kServerPort)};
}
inline Conn Story::server(std::uint64_t cookie) {
  return {*this, cookie, flow_between(kServerPort, static_cast<std::uint16_t>(50000 + cookie))};
}
inline Conn Story::listener(std::uint64_t cookie) {
  Flow flow = flow_between(kServerPort, 0);
  flow.local.addr = flow.remote.addr = {};
  return {*this, cookie, flow};
}

}  // namespace tcpdwell::life_story
