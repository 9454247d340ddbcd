// SPDX-License-Identifier: Apache-2.0
// Decodes the output of the iterators.
#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "pipeline/decode.h"
#include "pipeline/decode_fields.h"

namespace tcpdwell {

using namespace decoding;

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

void drop_repeated(std::vector<Holding>& holdings) {
  const auto key = [](const Holding& holding) {
    return std::tuple(holding.holder.process.pid, holding.holder.fd, holding.cookie);
  };
  std::sort(holdings.begin(), holdings.end(),
            [&](const Holding& a, const Holding& b) { return key(a) < key(b); });
  const auto last =
      std::unique(holdings.begin(), holdings.end(), [&](const Holding& a, const Holding& b) {
        // Processes that are not visible all have pid 0.
        return a.holder.process.pid != 0 && key(a) == key(b);
      });
  holdings.erase(last, holdings.end());
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

// Adds a holder once, for the reason given at drop_repeated().
static void add_holder(std::vector<Holder>& holders, const Holder& more) {
  const bool known = std::any_of(holders.begin(), holders.end(), [&](const Holder& holder) {
    return more.process.pid != 0 && holder.process.pid == more.process.pid && holder.fd == more.fd;
  });
  if (!known) holders.push_back(more);
}

void join_holders(std::vector<DeadSocket>& sockets) {
  std::stable_sort(sockets.begin(), sockets.end(),
                   [](const DeadSocket& a, const DeadSocket& b) { return a.cookie < b.cookie; });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (kept > 0 && sockets[kept - 1].cookie == sockets[i].cookie)
      add_holder(sockets[kept - 1].holders, sockets[i].holders.front());
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
