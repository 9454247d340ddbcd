// SPDX-License-Identifier: Apache-2.0
#include "core/decode.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "tcpdwell/wire.h"

namespace tcpdwell {
namespace {

using Bytes = std::span<const std::byte>;

// Ring records are 8-byte aligned, no more, and a recording's are not: always a copy.
template <typename Raw>
std::optional<Raw> read(Bytes record, std::size_t at = 0) {
  if (record.size() < at + sizeof(Raw)) return std::nullopt;
  Raw raw;
  std::memcpy(&raw, record.data() + at, sizeof raw);
  return raw;
}

// Damaged, or not ours: times and CPUs are calculated with and counted up to.
bool is_time(std::uint64_t ns) {
  constexpr std::uint64_t kLatest = INT64_MAX / 2;  // 146 years after boot
  return ns < kLatest;
}

bool is_plausible(const tcpdwell_head& head) {
  constexpr std::uint32_t kMaxCpus = 1U << 16;
  return head.version == TCPDWELL_WIRE_VERSION && is_time(head.at_ns) && head.cpu < kMaxCpus;
}

Nanos at(const tcpdwell_head& head) { return Nanos{static_cast<std::int64_t>(head.at_ns)}; }

bool is_flow(const tcpdwell_flow& raw) {
  return raw.family == TCPDWELL_FAMILY_IPV4 || raw.family == TCPDWELL_FAMILY_IPV6;
}

void fill(Flow& flow, const tcpdwell_flow& raw) {
  std::memcpy(flow.local.addr.data(), raw.local, sizeof raw.local);
  std::memcpy(flow.remote.addr.data(), raw.remote, sizeof raw.remote);
  flow.local.port = raw.local_port;
  flow.remote.port = raw.remote_port;
  flow.netns_cookie = raw.netns_cookie;
  flow.netns = raw.netns_inum;
  flow.family = static_cast<Family>(raw.family);
}

std::optional<Flow> flow_of(const tcpdwell_flow& raw) {
  if (!is_flow(raw)) return std::nullopt;
  std::optional<Flow> flow(std::in_place);
  fill(*flow, raw);
  return flow;
}

Process process_of(const tcpdwell_task& raw) {
  Process process{.pid = raw.pid, .uid = raw.uid, .cgroup_id = raw.cgroup_id};
  std::memcpy(process.comm.data(), raw.comm, sizeof raw.comm);
  return process;
}

Tally tally_of(const tcpdwell_tally& raw) {
  return {.bytes_sent = raw.bytes_sent,
          .bytes_received = raw.bytes_received,
          .retransmits = raw.retransmits,
          .srtt_us = raw.srtt_us};
}

std::optional<TimerOp> timer_op(std::uint8_t op, TimerOp last) {
  if (op < TCPDWELL_START || op > static_cast<std::uint8_t>(last)) return std::nullopt;
  return static_cast<TimerOp>(op);
}

bool transition(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_transition>(record);
  if (!raw) return false;
  const auto from = to_state(raw->from), to = to_state(raw->to);
  if (!from || !to || !is_flow(raw->flow)) return false;
  auto& event = out.emplace<TransitionEvent>();
  event.at = at(raw->head);
  event.cpu = raw->head.cpu;
  event.object = raw->object;
  event.cookie = raw->cookie;
  fill(event.flow, raw->flow);
  event.from = *from;
  event.to = *to;
  event.life = raw->life;
  event.sock_cgroup_id = raw->sock_cgroup_id;
  event.err = raw->err;
  event.shutdown = raw->shutdown;
  event.dead = (raw->flags & TCPDWELL_DEAD) != 0;
  event.attached = (raw->flags & TCPDWELL_ATTACHED) != 0;
  event.closing = (raw->flags & TCPDWELL_CLOSING) != 0;
  event.exiting = (raw->flags & TCPDWELL_EXITING) != 0;
  event.mptcp = (raw->flags & TCPDWELL_MPTCP) != 0;
  event.fastopen = (raw->flags & TCPDWELL_FASTOPEN) != 0;
  event.unacked = (raw->more_flags & TCPDWELL_UNACKED) != 0;
  event.followed = (raw->more_flags & TCPDWELL_FOLLOWED) != 0;
  event.by_followed = (raw->more_flags & TCPDWELL_BY_FOLLOWED) != 0;
  event.sent = (raw->more_flags & TCPDWELL_SENT) != 0;
  event.silent = (raw->more_flags & TCPDWELL_SILENT) != 0;
  event.timestamped = (raw->more_flags & TCPDWELL_TIMESTAMPED) != 0;
  event.receive_queue = raw->receive_queue;
  if (raw->flags & TCPDWELL_TASK) {
    const auto task = read<tcpdwell_task>(record, offsetof(tcpdwell_transition_task, task));
    if (!task) return false;
    event.task = process_of(*task);
  }
  if (raw->flags & TCPDWELL_TALLY) {
    const auto tally = read<tcpdwell_tally>(record, offsetof(tcpdwell_transition_end, tally));
    if (!tally) return false;
    event.tally = tally_of(*tally);
  }
  return true;
}

bool timewait(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_timewait>(record);
  if (!raw) return false;
  const auto op = timer_op(raw->head.op, TimerOp::Segment);
  const auto substate = to_state(raw->substate);
  const auto flow = flow_of(raw->flow);
  if (!op || !flow || raw->canceller > TCPDWELL_BY_NETNS) return false;
  if (substate != State::FinWait2 && substate != State::TimeWait) return false;
  out = TimewaitEvent{.at = at(raw->head),
                      .cpu = raw->head.cpu,
                      .op = *op,
                      .object = raw->object,
                      .cookie = raw->cookie,
                      .flow = *flow,
                      .left_jiffies = raw->left_jiffies,
                      .entry_stamp_ms = raw->entry_stamp_ms,
                      .substate = *substate,
                      .canceller = static_cast<Canceller>(raw->canceller)};
  return true;
}

bool request(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_request>(record);
  if (!raw) return false;
  const auto op = timer_op(raw->head.op, TimerOp::Expire);
  const auto flow = flow_of(raw->flow);
  if (!op || !flow || raw->canceller > TCPDWELL_BY_NETNS) return false;
  out = RequestEvent{.at = at(raw->head),
                     .cpu = raw->head.cpu,
                     .op = *op,
                     .object = raw->object,
                     .cookie = raw->cookie,
                     .flow = *flow,
                     .retransmits = raw->retransmits,
                     .listener_closed = raw->listener_closed != 0,
                     .canceller = static_cast<Canceller>(raw->canceller)};
  return true;
}

bool accept(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_accept>(record);
  if (!raw) return false;
  out = AcceptEvent{.at = at(raw->head),
                    .object = raw->object,
                    .cookie = raw->cookie,
                    .task = process_of(raw->task),
                    .followed = raw->head.op == TCPDWELL_ACCEPTED_FOLLOWED};
  return true;
}

bool reset(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_reset>(record);
  if (!raw) return false;
  const auto state = to_state(raw->state);
  if (!state) return false;
  out = ResetEvent{.at = at(raw->head),
                   .cpu = raw->head.cpu,
                   .cookie = raw->cookie,
                   .state = *state,
                   .memory = raw->head.op == TCPDWELL_RESET_MEMORY};
  return true;
}

bool syn(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_syn>(record);
  if (!raw) return false;
  const auto flow = flow_of(raw->flow);
  if (!flow) return false;
  out = SynEvent{.at = at(raw->head), .cookie = raw->cookie, .flow = *flow};
  return true;
}

std::optional<std::uint32_t> ago(std::uint32_t jiffies) {
  return jiffies == TCPDWELL_NEVER ? std::nullopt : std::optional(jiffies);
}

bool can_be_in(std::uint8_t socket_kind, State state) {
  switch (socket_kind) {
    case TCPDWELL_FULL: return true;
    case TCPDWELL_MINISOCK: return state == State::FinWait2 || state == State::TimeWait;
    case TCPDWELL_REQUEST_SOCK: return state == State::SynReceived;
    default: return false;
  }
}

// They are calculated with, as times are.
constexpr std::uint64_t kLatestUs = INT64_MAX / 2 / 1000;
constexpr std::int64_t kMostJiffies = std::int64_t{1} << 42U;

SocketStamps stamps_of(const tcpdwell_stamps& raw) {
  if (raw.delivered_us > kLatestUs || raw.first_sent_us > kLatestUs) return {};
  SocketStamps stamps{.delivered = std::chrono::microseconds{raw.delivered_us},
                      .first_sent = std::chrono::microseconds{raw.first_sent_us},
                      .delack_ago = raw.delack_ago,
                      .retrans_stamp = raw.retrans_stamp,
                      .unacked = raw.unacked,
                      .known = true,
                      .all_sent = raw.unsent == 0,
                      .usec_ts = (raw.flags & TCPDWELL_USEC_TS) != 0,
                      .quickack_route = (raw.flags & TCPDWELL_QUICKACK_ROUTE) != 0,
                      .deferred_syn = (raw.flags & TCPDWELL_DEFERRED_SYN) != 0};
  if (raw.delack_ago > kMostJiffies || raw.delack_ago < -kMostJiffies)
    stamps.delack_ago = SocketStamps::kNever;
  return stamps;
}

bool snapshot(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_snapshot>(record);
  if (!raw) return false;
  const auto state = to_state(raw->state);
  const auto flow = flow_of(raw->flow);
  if (!state || !can_be_in(raw->head.op, *state)) return false;
  if (!flow || raw->syn_ns > raw->head.at_ns) return false;
  SocketStamps stamps;
  if (raw->flags & TCPDWELL_STAMPS) {
    const auto tail = read<tcpdwell_stamps>(record, offsetof(tcpdwell_snapshot_full, stamps));
    if (!tail) return false;
    stamps = stamps_of(*tail);
  }
  out = SnapshotEvent{.at = at(raw->head),
                      .kind = static_cast<SocketKind>(raw->head.op),
                      .object = raw->object,
                      .cookie = raw->cookie,
                      .flow = *flow,
                      .state = *state,
                      .attached = (raw->flags & TCPDWELL_IS_ATTACHED) != 0,
                      .dead = (raw->flags & TCPDWELL_IS_DEAD) != 0,
                      .mptcp = (raw->flags & TCPDWELL_IS_MPTCP) != 0,
                      .port_bound = (raw->flags & TCPDWELL_PORT_BOUND) != 0,
                      .sock_cgroup_id = raw->sock_cgroup_id,
                      .acked_ago = ago(raw->acked_ago),
                      .received_ago = ago(raw->received_ago),
                      .sent_ago = ago(raw->sent_ago),
                      .stamps = stamps,
                      .syn_at = Nanos{static_cast<std::int64_t>(raw->syn_ns)},
                      .left_jiffies = raw->left_jiffies,
                      .entry_stamp_ms = raw->entry_stamp_ms,
                      .timestamps = (raw->flags & TCPDWELL_TIMESTAMPS) != 0};
  return true;
}

bool release(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_release>(record);
  if (!raw || !is_time(raw->active_ns)) return false;
  out = ReleaseEvent{.at = at(raw->head),
                     .cookie = raw->cookie,
                     .active = Nanos{static_cast<std::int64_t>(raw->active_ns)},
                     .task = process_of(raw->task),
                     .by_exit = raw->head.op == TCPDWELL_RELEASED_BY_EXIT,
                     .by_followed = raw->by_followed != 0,
                     .unread = raw->unread};
  return true;
}

bool exit(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_exit>(record);
  if (!raw) return false;
  out = ExitEvent{.at = at(raw->head), .pid = raw->pid};
  return true;
}

std::optional<MptcpSocket> mptcp_socket(const tcpdwell_mptcp& raw) {
  const auto state = to_state(raw.state);
  if (!state) return std::nullopt;
  MptcpSocket socket{.object = raw.object,
                     .cookie = raw.cookie,
                     .state = *state,
                     .dead = (raw.flags & TCPDWELL_MPTCP_IS_DEAD) != 0,
                     .attached = (raw.flags & TCPDWELL_MPTCP_IS_ATTACHED) != 0,
                     .unread = (raw.flags & TCPDWELL_MPTCP_UNREAD) != 0,
                     .unread_bytes = raw.unread,
                     .unsent_bytes = raw.unsent,
                     .subflows = raw.subflows,
                     .acked_ago = ago(raw.acked_ago),
                     .received_ago = ago(raw.received_ago),
                     .sent_ago = ago(raw.sent_ago)};
  if (raw.flags & TCPDWELL_MPTCP_UNCOUNTED) socket.unread_bytes.reset();
  return socket;
}

bool mptcp_change(Bytes record, Event& out) {
  const auto raw = read<tcpdwell_mptcp_change>(record);
  if (!raw) return false;
  const auto socket = mptcp_socket(raw->mptcp);
  const auto to = to_state(raw->to);
  if (!socket || !to) return false;
  out = MptcpChangeEvent{.at = at(raw->head),
                         .socket = *socket,
                         .to = *to,
                         .exiting = (raw->mptcp.flags & TCPDWELL_MPTCP_EXITING) != 0};
  return true;
}

}  // namespace

bool decode(std::span<const std::byte> record, Event& event) {
  const auto head = read<tcpdwell_head>(record);
  if (!head || !is_plausible(*head)) return false;
  switch (head->kind) {
    case TCPDWELL_TRANSITION: return transition(record, event);
    case TCPDWELL_TIMEWAIT: return timewait(record, event);
    case TCPDWELL_REQUEST: return request(record, event);
    case TCPDWELL_ACCEPT: return accept(record, event);
    case TCPDWELL_RESET: return reset(record, event);
    case TCPDWELL_SYN: return syn(record, event);
    case TCPDWELL_SNAPSHOT: return snapshot(record, event);
    case TCPDWELL_RELEASE: return release(record, event);
    case TCPDWELL_EXIT: return exit(record, event);
    case TCPDWELL_MPTCP_CHANGE: return mptcp_change(record, event);
    default: return false;
  }
}

std::optional<MptcpSubflow> decode_subflow(std::span<const std::byte> record) {
  const auto raw = read<tcpdwell_mptcp_subflow>(record);
  if (!raw) return std::nullopt;
  const auto socket = mptcp_socket(raw->mptcp);
  if (!socket) return std::nullopt;
  return MptcpSubflow{.at = Nanos{static_cast<std::int64_t>(raw->at_ns)},
                      .cookie = raw->cookie,
                      .stands = raw->stands != 0,
                      .socket = *socket};
}

std::optional<Holding> decode_holding(std::span<const std::byte> record) {
  const auto raw = read<tcpdwell_holding>(record);
  if (!raw || raw->kind != TCPDWELL_HOLDS) return std::nullopt;
  return Holding{
      .cookie = raw->cookie,
      .holder = {.process = process_of(raw->task), .fd = raw->fd, .followed = raw->followed != 0}};
}

std::optional<DeadSocket> decode_dead(std::span<const std::byte> record) {
  const auto raw = read<tcpdwell_dead>(record);
  if (!raw || !is_time(raw->at_ns) || raw->active_ns > raw->at_ns) return std::nullopt;
  const auto flow = flow_of(raw->flow);
  if (!flow) return std::nullopt;
  return DeadSocket{
      .cookie = raw->cookie,
      .at = Nanos{static_cast<std::int64_t>(raw->at_ns)},
      .active = Nanos{static_cast<std::int64_t>(raw->active_ns)},
      .active_exact = (raw->flags & TCPDWELL_ACTIVE_EXACT) != 0,
      .connect_failed = (raw->flags & TCPDWELL_CONNECT_FAILED) != 0,
      .mptcp = (raw->flags & TCPDWELL_DEAD_MPTCP) != 0,
      .uncounted = (raw->flags & TCPDWELL_DEAD_UNCOUNTED) != 0,
      .flow = *flow,
      .sock_cgroup_id = raw->sock_cgroup_id,
      .received_ago = ago(raw->received_ago),
      .sent_ago = ago(raw->sent_ago),
      .unread = raw->unread,
      .err = raw->err,
      .holders = {
          {.process = process_of(raw->task), .fd = raw->fd, .followed = raw->followed != 0}}};
}

void join_holders(std::vector<DeadSocket>& sockets) {
  std::stable_sort(sockets.begin(), sockets.end(),
                   [](const DeadSocket& a, const DeadSocket& b) { return a.cookie < b.cookie; });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (kept > 0 && sockets[kept - 1].cookie == sockets[i].cookie)
      sockets[kept - 1].holders.push_back(sockets[i].holders.front());
    else if (kept++ != i)
      sockets[kept - 1] = std::move(sockets[i]);
  }
  sockets.erase(sockets.begin() + static_cast<std::ptrdiff_t>(kept), sockets.end());
}

std::optional<HeldEnd> decode_held_end(std::span<const std::byte> record) {
  const auto raw = read<tcpdwell_holding>(record);
  if (!raw || raw->kind != TCPDWELL_HOLDS_AT_END) return std::nullopt;
  return HeldEnd{.number = raw->cookie, .pid = raw->task.pid};
}

std::optional<WalkedQueue> decode_listener(std::span<const std::byte> record) {
  const auto raw = read<tcpdwell_listener>(record);
  const auto flow = raw ? flow_of(raw->flow) : std::nullopt;
  if (!flow) return std::nullopt;
  WalkedQueue walked;
  walked.queue.cookie = raw->cookie;
  walked.queue.flow = *flow;
  walked.queue.length = raw->length;
  walked.queue.backlog = raw->backlog;
  walked.queue.syns_dropped = raw->syns_dropped;
  walked.queue.whole = raw->missed == 0;
  walked.takes_ipv4 = raw->ipv6 != 0 && raw->only_ipv6 == 0 && is_zero(flow->local);
  walked.noted = raw->noted;
  return walked;
}

std::optional<WalkedChild> decode_queued(std::span<const std::byte> record) {
  constexpr std::uint64_t kLatest = INT64_MAX / 2'000;
  const auto raw = read<tcpdwell_queued>(record);
  const auto flow = raw ? flow_of(raw->flow) : std::nullopt;
  const auto state = raw ? to_state(raw->state) : std::nullopt;
  if (!flow || !state || raw->queued_us > kLatest) return std::nullopt;
  WalkedChild walked{.listener = raw->listener, .child = {}};
  walked.child.flow = *flow;
  walked.child.state = *state;
  walked.child.queued_at = std::chrono::microseconds{raw->queued_us};
  walked.child.sock_cgroup_id = raw->sock_cgroup_id;
  walked.child.receive_queue = raw->receive_queue;
  walked.child.send_queue = raw->send_queue;
  return walked;
}

}  // namespace tcpdwell
