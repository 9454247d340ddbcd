// SPDX-License-Identifier: Apache-2.0
#include "synthetic.h"

#include <netinet/tcp.h>

#include <utility>

namespace tcpdwell::bench {
namespace {

constexpr std::uint64_t kStepNs = 2'000;  // between two records
constexpr std::uint16_t kServerPort = 443;

tcpdwell_task task_of(std::uint32_t conversation) {
  tcpdwell_task task = {};
  task.cgroup_id = conversation % kCgroups + 1;
  task.pid = 1000 + conversation % 64;
  task.uid = 1000;
  std::memcpy(task.comm, "worker", 6);
  return task;
}

// No two conversations have the same flow: when the ports are used up, the next address follows.
tcpdwell_flow client_flow(std::uint32_t conversation) {
  tcpdwell_flow flow = {};
  flow.netns_cookie = 1;
  flow.netns_inum = 4026531840;
  flow.local_port = static_cast<std::uint16_t>(32768 + conversation % 28232);
  flow.remote_port = kServerPort;
  const std::uint32_t host = conversation / 28232;
  const auto octet = [](std::uint32_t value) { return static_cast<std::uint8_t>(value); };
  if (conversation % 4 == 0) {
    flow.family = TCPDWELL_FAMILY_IPV6;
    flow.local[0] = flow.remote[0] = 0xfd;
    flow.local[13] = octet(host >> 16);
    flow.local[14] = octet(host >> 8);
    flow.local[15] = octet(host);
    flow.remote[15] = 1;
  } else {
    flow.family = TCPDWELL_FAMILY_IPV4;
    const std::uint8_t local[] = {10, octet(host >> 16), octet(host >> 8), octet(host)};
    const std::uint8_t remote[] = {10, 255, 0, 1};
    std::memcpy(flow.local, local, sizeof local);
    std::memcpy(flow.remote, remote, sizeof remote);
  }
  return flow;
}

tcpdwell_flow reversed(tcpdwell_flow flow) {
  std::swap(flow.local, flow.remote);
  std::swap(flow.local_port, flow.remote_port);
  return flow;
}

}  // namespace

struct Stream::End {
  std::uint32_t conversation;
  std::uint64_t cookie;
  tcpdwell_flow flow;

  static End client(std::uint32_t n) { return {n, 2ULL * n + 1, client_flow(n)}; }
  static End server(std::uint32_t n) { return {n, 2ULL * n + 2, reversed(client_flow(n))}; }
  // Slab addresses: aligned, and scattered as those of a kernel that was up for a while. `which`
  // tells the request, the minisock and the socket of one end apart.
  std::uint64_t object(unsigned which) const {
    const std::uint64_t scattered = (cookie * 4 + which) * 0x9e3779b97f4a7c15ULL;
    return 0xffff888000000000ULL | (scattered >> 26 << 6 & 0x7fffffffffULL);
  }
};

tcpdwell_head Stream::head(tcpdwell_kind kind, unsigned op) {
  now_ns_ += kStepNs;
  tcpdwell_head head = {};
  head.at_ns = now_ns_;
  head.version = TCPDWELL_WIRE_VERSION;
  head.kind = static_cast<std::uint8_t>(kind);
  head.op = static_cast<std::uint8_t>(op);
  return head;
}

void Stream::transition(const End& end, int from, int to, unsigned flags) {
  tcpdwell_transition_end record = {};
  tcpdwell_transition& base = record.base;
  if (to == TCP_CLOSE) flags |= TCPDWELL_TALLY;
  base.head = head(TCPDWELL_TRANSITION, 0);
  base.object = end.object(0);
  base.cookie = end.cookie;
  base.flow = end.flow;
  base.sock_cgroup_id = end.conversation % kCgroups + 1;
  base.from = static_cast<std::uint8_t>(from);
  base.to = static_cast<std::uint8_t>(to);
  base.flags = static_cast<std::uint8_t>(flags);
  if ((flags & TCPDWELL_TASK) != 0) record.task = task_of(end.conversation);
  record.tally = {.bytes_sent = 1200, .bytes_received = 34'000, .retransmits = 0, .srtt_us = 250};
  if (to == TCP_CLOSE)
    append(record);
  else if ((flags & TCPDWELL_TASK) != 0)
    append(tcpdwell_transition_task{base, record.task});
  else
    append(base);
}

void Stream::request(const End& server, tcpdwell_timer_op op) {
  tcpdwell_request record = {};
  record.head = head(TCPDWELL_REQUEST, op);
  record.object = server.object(1);
  record.flow = server.flow;
  append(record);
}

void Stream::timewait(const End& client, tcpdwell_timer_op op, std::int32_t left_jiffies) {
  tcpdwell_timewait record = {};
  record.head = head(TCPDWELL_TIMEWAIT, op);
  record.object = client.object(2);
  record.cookie = client.cookie;
  record.flow = client.flow;
  record.left_jiffies = left_jiffies;
  record.substate = TCP_TIME_WAIT;
  append(record);
}

void Stream::accept(const End& server) {
  tcpdwell_accept record = {};
  record.head = head(TCPDWELL_ACCEPT, TCPDWELL_ACCEPTED);
  record.object = server.object(0);
  record.cookie = server.cookie;
  record.task = task_of(server.conversation);
  append(record);
}

void Stream::open(std::uint32_t conversation) {
  const End client = End::client(conversation), server = End::server(conversation);
  transition(client, TCP_CLOSE, TCP_SYN_SENT, TCPDWELL_TASK | TCPDWELL_ATTACHED);
  request(server, TCPDWELL_START);
  transition(client, TCP_SYN_SENT, TCP_ESTABLISHED, TCPDWELL_ATTACHED);
  transition(server, TCP_LISTEN, TCP_SYN_RECV);
  request(server, TCPDWELL_CANCEL);
  transition(server, TCP_SYN_RECV, TCP_ESTABLISHED);
  accept(server);
}

void Stream::close(std::uint32_t conversation) {
  const End client = End::client(conversation), server = End::server(conversation);
  const unsigned closes = TCPDWELL_TASK | TCPDWELL_DEAD | TCPDWELL_CLOSING;
  transition(client, TCP_ESTABLISHED, TCP_FIN_WAIT1, closes);
  transition(server, TCP_ESTABLISHED, TCP_CLOSE_WAIT, TCPDWELL_ATTACHED);
  transition(server, TCP_CLOSE_WAIT, TCP_LAST_ACK, closes);
  transition(client, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCPDWELL_DEAD);
  timewait(client, TCPDWELL_START, 15'000);
  transition(client, TCP_FIN_WAIT2, TCP_CLOSE, TCPDWELL_DEAD);
  timewait(client, TCPDWELL_SEGMENT, 15'000);
  transition(server, TCP_LAST_ACK, TCP_CLOSE, TCPDWELL_DEAD);
}

void Stream::expire(std::uint32_t conversation) {
  const End client = End::client(conversation);
  timewait(client, TCPDWELL_CANCEL, -1);
  timewait(client, TCPDWELL_EXPIRE, -1);
}

}  // namespace tcpdwell::bench
