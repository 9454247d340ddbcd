// SPDX-License-Identifier: Apache-2.0
#include "pipeline/decode.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "pipeline/decode_fields.h"
#include "tcpdwell/wire.h"

namespace tcpdwell {
namespace {

using namespace decoding;

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
  event.repair = (raw->rare_flags & TCPDWELL_REPAIR) != 0;
  event.fins_done = (raw->rare_flags & TCPDWELL_FINS_DONE) != 0;
  event.listen_unsure = (raw->rare_flags & TCPDWELL_LISTEN_UNSURE) != 0;
  event.listen_failed = (raw->rare_flags & TCPDWELL_LISTEN_FAILED) != 0;
  event.may_be_killed = (raw->rare_flags & TCPDWELL_MAY_BE_KILLED) != 0;
  if (event.to == State::Established) event.syns_sent = raw->head.op;
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

bool can_be_in(std::uint8_t socket_kind, State state) {
  switch (socket_kind) {
    case TCPDWELL_FULL: return true;
    case TCPDWELL_MINISOCK: return state == State::FinWait2 || state == State::TimeWait;
    case TCPDWELL_REQUEST_SOCK: return state == State::SynReceived;
    default: return false;
  }
}

// Bounds that keep arithmetic on these values from overflowing.
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

}  // namespace tcpdwell
