// SPDX-License-Identifier: Apache-2.0
// Decodes records of walks through namespaces and processes, valid and damaged.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "pipeline/decode.h"
#include "support/wire_bytes.h"
#include "tcpdwell/wire.h"

namespace tcpdwell {
namespace {

using namespace wire_bytes;

tcpdwell_snapshot snapshot(std::uint8_t op = TCPDWELL_FULL) {
  tcpdwell_snapshot raw{};
  raw.head = {.at_ns = 9'000'000'000,
              .version = TCPDWELL_WIRE_VERSION,
              .kind = TCPDWELL_SNAPSHOT,
              .op = op,
              .cpu = 0};
  raw.object = 0xffff'8880'0000'1000;
  raw.cookie = 7;
  raw.flow.family = TCPDWELL_FAMILY_IPV4;
  raw.flow.local_port = 80;
  raw.flow.remote_port = 50000;
  raw.flow.netns_cookie = 3;
  raw.sock_cgroup_id = 77;
  raw.acked_ago = 1;
  raw.received_ago = 2;
  raw.sent_ago = 3;
  raw.state = 8;  // CLOSE_WAIT
  return raw;
}

SnapshotEvent decoded_snapshot(const tcpdwell_snapshot& raw) {
  const auto event = decoded(bytes(raw));
  EXPECT_TRUE(event);
  return event ? std::get<SnapshotEvent>(*event) : SnapshotEvent{};
}

TEST(DecodeSnapshot, FullSocket) {
  auto raw = snapshot();
  raw.flags = TCPDWELL_IS_ATTACHED;
  const SnapshotEvent got = decoded_snapshot(raw);
  EXPECT_EQ(got.at, Nanos{9'000'000'000});
  EXPECT_EQ(got.kind, SocketKind::Full);
  EXPECT_EQ(got.object, 0xffff'8880'0000'1000U);
  EXPECT_EQ(got.cookie, 7U);
  EXPECT_EQ(got.flow.local.port, 80);
  EXPECT_EQ(got.flow.remote.port, 50000);
  EXPECT_EQ(got.flow.netns_cookie, 3U);
  EXPECT_EQ(got.state, State::CloseWait);
  EXPECT_EQ(got.sock_cgroup_id, 77U);
  EXPECT_EQ(got.acked_ago, 1U);
  EXPECT_EQ(got.received_ago, 2U);
  EXPECT_EQ(got.sent_ago, 3U);
  EXPECT_TRUE(got.attached);
  EXPECT_FALSE(got.dead || got.timestamps);
}

TEST(DecodeSnapshot, FlagsAreIndependent) {
  auto raw = snapshot();
  raw.flags = TCPDWELL_IS_DEAD;
  EXPECT_TRUE(decoded_snapshot(raw).dead);
  EXPECT_FALSE(decoded_snapshot(raw).attached || decoded_snapshot(raw).timestamps);
  raw.flags = TCPDWELL_TIMESTAMPS;
  EXPECT_TRUE(decoded_snapshot(raw).timestamps);
  EXPECT_FALSE(decoded_snapshot(raw).attached || decoded_snapshot(raw).dead ||
               decoded_snapshot(raw).port_bound);
  raw.flags = TCPDWELL_PORT_BOUND;
  EXPECT_TRUE(decoded_snapshot(raw).port_bound);
  EXPECT_FALSE(decoded_snapshot(raw).timestamps || decoded_snapshot(raw).dead);
}

TEST(DecodeSnapshot, NeverIsNullopt) {
  auto raw = snapshot();
  raw.acked_ago = raw.sent_ago = TCPDWELL_NEVER;
  raw.received_ago = TCPDWELL_NEVER - 1;
  EXPECT_EQ(decoded_snapshot(raw).acked_ago, std::nullopt);
  EXPECT_EQ(decoded_snapshot(raw).sent_ago, std::nullopt);
  EXPECT_EQ(decoded_snapshot(raw).received_ago, TCPDWELL_NEVER - 1);
}

TEST(DecodeSnapshot, Minisock) {
  auto raw = snapshot(TCPDWELL_MINISOCK);
  raw.state = 6;
  raw.left_jiffies = -2;
  raw.entry_stamp_ms = 0xffff'ffff;
  const SnapshotEvent got = decoded_snapshot(raw);
  EXPECT_EQ(got.kind, SocketKind::Minisock);
  EXPECT_EQ(got.state, State::TimeWait);
  EXPECT_EQ(got.left_jiffies, -2);
  EXPECT_EQ(got.entry_stamp_ms, 0xffff'ffffU);
}

TEST(DecodeSnapshot, RequestSock) {
  auto raw = snapshot(TCPDWELL_REQUEST_SOCK);
  raw.state = 12;  // TCP_NEW_SYN_RECV
  raw.syn_ns = 8'000'000'000;
  const SnapshotEvent got = decoded_snapshot(raw);
  EXPECT_EQ(got.kind, SocketKind::Request);
  EXPECT_EQ(got.state, State::SynReceived);
  EXPECT_EQ(got.syn_at, Nanos{8'000'000'000});
}

tcpdwell_snapshot_full with_stamps() {
  tcpdwell_snapshot_full raw{.base = snapshot(), .stamps = {}};
  raw.base.flags = TCPDWELL_STAMPS;
  raw.stamps = {.delivered_us = 8'000'000,
                .first_sent_us = 7'000'000,
                .delack_ago = -9,
                .retrans_stamp = 0xffff'ffff,
                .unacked = 1,
                .unsent = 0,
                .flags = 0,
                .pad = {}};
  return raw;
}

SocketStamps stamps_of(const tcpdwell_snapshot_full& raw) {
  const auto event = decoded(bytes(raw));
  EXPECT_TRUE(event);
  return event ? std::get<SnapshotEvent>(*event).stamps : SocketStamps{};
}

TEST(DecodeSnapshot, FullSocketWithStamps) {
  const SocketStamps got = stamps_of(with_stamps());
  EXPECT_TRUE(got.known && got.all_sent);
  EXPECT_EQ(got.delivered, Nanos{8'000'000'000});
  EXPECT_EQ(got.first_sent, Nanos{7'000'000'000});
  EXPECT_EQ(got.delack_ago, -9);
  EXPECT_EQ(got.retrans_stamp, 0xffff'ffffU);
  EXPECT_EQ(got.unacked, 1U);
  EXPECT_FALSE(got.usec_ts || got.quickack_route || got.deferred_syn);
}

TEST(DecodeSnapshot, StampFlagsAreIndependent) {
  auto raw = with_stamps();
  raw.stamps.flags = TCPDWELL_USEC_TS;
  EXPECT_TRUE(stamps_of(raw).usec_ts);
  EXPECT_FALSE(stamps_of(raw).quickack_route || stamps_of(raw).deferred_syn);
  raw.stamps.flags = TCPDWELL_QUICKACK_ROUTE;
  EXPECT_TRUE(stamps_of(raw).quickack_route);
  EXPECT_FALSE(stamps_of(raw).usec_ts || stamps_of(raw).deferred_syn);
  raw.stamps.flags = TCPDWELL_DEFERRED_SYN;
  EXPECT_TRUE(stamps_of(raw).deferred_syn);
  EXPECT_FALSE(stamps_of(raw).usec_ts || stamps_of(raw).quickack_route);
}

TEST(DecodeSnapshot, OlderVersionHasNoStamps) {
  EXPECT_FALSE(decoded_snapshot(snapshot()).stamps.known);
}

TEST(DecodeSnapshot, RejectsMissingOrInvalidStamps) {
  const auto whole = with_stamps();
  const auto all = bytes(whole);
  for (std::size_t size = 0; size < all.size(); ++size)
    EXPECT_FALSE(decoded(std::span(all).first(size))) << size;
  auto raw = with_stamps();
  raw.stamps.delack_ago = TCPDWELL_NO_JIFFIES;
  EXPECT_EQ(stamps_of(raw).delack_ago, SocketStamps::kNever);
  raw.stamps.delack_ago = INT64_MIN;
  EXPECT_EQ(stamps_of(raw).delack_ago, SocketStamps::kNever);
  raw.stamps.unsent = 1;
  EXPECT_FALSE(stamps_of(raw).all_sent);
  raw.stamps.delivered_us = UINT64_MAX;
  EXPECT_FALSE(stamps_of(raw).known) << "arithmetic on such a time overflows";
}

TEST(DecodeSnapshot, RejectsTruncation) {
  const auto raw = snapshot();
  for (std::size_t size = 0; size < sizeof raw; ++size)
    EXPECT_FALSE(decoded(bytes(raw, size))) << size << " bytes";
}

TEST(DecodeSnapshot, IgnoresBytesBehindKnownFields) {
  std::vector<std::byte> longer(sizeof(tcpdwell_snapshot) + 8);
  const auto raw = snapshot();
  std::memcpy(longer.data(), &raw, sizeof raw);
  EXPECT_TRUE(decoded(longer));
}

TEST(DecodeSnapshot, RejectsDamage) {
  for (const int op : {0, 4, 255})
    EXPECT_FALSE(decoded(bytes(snapshot(static_cast<std::uint8_t>(op))))) << "op " << op;
  for (const int state : {0, 13, 255}) {
    auto raw = snapshot();
    raw.state = static_cast<std::uint8_t>(state);
    EXPECT_FALSE(decoded(bytes(raw))) << "state " << state;
  }
  auto raw = snapshot();
  raw.flow.family = 3;
  EXPECT_FALSE(decoded(bytes(raw)));
  raw = snapshot(TCPDWELL_REQUEST_SOCK);
  raw.state = 12;
  EXPECT_TRUE(decoded(bytes(raw)));
  raw.syn_ns = raw.head.at_ns + 1;
  EXPECT_FALSE(decoded(bytes(raw))) << "a SYN in the future";
  raw = snapshot();
  raw.head.at_ns = UINT64_MAX;
  EXPECT_FALSE(decoded(bytes(raw)));
  raw = snapshot();
  raw.head.cpu = 1U << 16U;
  EXPECT_FALSE(decoded(bytes(raw))) << "CPU numbers are used as array sizes";
}

TEST(DecodeSnapshot, RejectsMinisockInOtherState) {
  for (const int state : {1, 7, 8, 10}) {
    auto raw = snapshot(TCPDWELL_MINISOCK);
    raw.state = static_cast<std::uint8_t>(state);
    EXPECT_FALSE(decoded(bytes(raw))) << "state " << state;
  }
}

TEST(DecodeSnapshot, RejectsRequestSockInOtherState) {
  for (const int state : {1, 6, 10}) {
    auto raw = snapshot(TCPDWELL_REQUEST_SOCK);
    raw.state = static_cast<std::uint8_t>(state);
    EXPECT_FALSE(decoded(bytes(raw))) << "state " << state;
  }
}

tcpdwell_holding holding() {
  tcpdwell_holding raw{};
  raw.cookie = 7;
  raw.task.pid = 42;
  raw.task.uid = 1000;
  raw.task.cgroup_id = 77;
  std::memcpy(raw.task.comm, "sixteen bytes !!", 16);  // not terminated
  raw.fd = 9;
  return raw;
}

TEST(DecodeHolding, DecodesHolderAndSocket) {
  const auto raw = holding();
  const auto got = decode_holding(bytes(raw));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->cookie, 7U);
  EXPECT_EQ(got->holder.process.pid, 42U);
  EXPECT_EQ(got->holder.process.uid, 1000U);
  EXPECT_EQ(got->holder.process.cgroup_id, 77U);
  EXPECT_EQ(got->holder.process.comm_view(), "sixteen bytes !!");
  EXPECT_EQ(got->holder.fd, 9);
  EXPECT_FALSE(decode_held_end(bytes(raw)));
}

TEST(DecodeHolding, HolderAtQueriedEnd) {
  auto raw = holding();
  raw.kind = TCPDWELL_HOLDS_AT_END;
  EXPECT_FALSE(decode_holding(bytes(raw)));
  const auto got = decode_held_end(bytes(raw));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->number, 7U);
  EXPECT_EQ(got->pid, 42U);
}

TEST(DecodeHolding, RejectsTruncation) {
  const auto raw = holding();
  for (std::size_t size = 0; size < sizeof raw; ++size)
    EXPECT_FALSE(decode_holding(bytes(raw, size))) << size << " bytes";
}

}  // namespace
}  // namespace tcpdwell
