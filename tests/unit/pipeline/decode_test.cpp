// SPDX-License-Identifier: Apache-2.0
#include "pipeline/decode.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "pipeline/decode_fields.h"
#include "support/wire_bytes.h"
#include "tcpdwell/wire.h"

namespace tcpdwell {

// A struct of wire.h to which version 2 has appended a field.
struct GrownRecord {
  std::uint64_t old = 0;
  std::uint32_t also_old = 0;
  std::uint32_t added = 0;
};
namespace decoding {
template <>
inline constexpr std::size_t kFirstSize<GrownRecord> = 12;
}

namespace {

using namespace wire_bytes;

tcpdwell_transition_end transition() {
  tcpdwell_transition_end raw{};
  raw.base.head = {.at_ns = 5, .version = TCPDWELL_WIRE_VERSION, .kind = TCPDWELL_TRANSITION};
  raw.base.cookie = 7;
  raw.base.flow.family = TCPDWELL_FAMILY_IPV4;
  raw.base.flow.local_port = 80;
  raw.base.from = 1;
  raw.base.to = 7;
  raw.base.flags = TCPDWELL_TASK | TCPDWELL_TALLY | TCPDWELL_DEAD;
  raw.task.pid = 42;
  std::memcpy(raw.task.comm, "sixteen bytes !!", 16);  // not terminated
  raw.tally.bytes_sent = 99;
  return raw;
}

template <typename Raw>
Raw timer(std::uint8_t kind, std::uint8_t op) {
  Raw raw{};
  raw.head = {.version = TCPDWELL_WIRE_VERSION, .kind = kind, .op = op};
  raw.flow.family = TCPDWELL_FAMILY_IPV6;
  return raw;
}

TEST(Decode, SynsAreSentBeforeEstablishedOnly) {
  auto raw = transition();
  raw.base.head.op = 3;
  raw.base.from = 2;  // SYN_SENT
  raw.base.to = 1;
  EXPECT_EQ(std::get<TransitionEvent>(*decoded(bytes(raw))).syns_sent, 3U);
  raw.base.to = 7;
  EXPECT_EQ(std::get<TransitionEvent>(*decoded(bytes(raw))).syns_sent, 0U);
}

TEST(Decode, Transition) {
  const auto raw = transition();
  const auto event = decoded(bytes(raw));
  ASSERT_TRUE(event);
  const auto& got = std::get<TransitionEvent>(*event);
  EXPECT_EQ(got.at, Nanos{5});
  EXPECT_EQ(got.cookie, 7U);
  EXPECT_EQ(got.from, State::Established);
  EXPECT_EQ(got.to, State::Closed);
  EXPECT_TRUE(got.dead);
  EXPECT_FALSE(got.attached);
  EXPECT_EQ(got.task->comm_view(), "sixteen bytes !!");
  EXPECT_EQ(got.tally->bytes_sent, 99U);
}

TEST(Decode, FieldsMissingInOlderVersionAreZero) {
  const GrownRecord raw{.old = 7, .also_old = 8, .added = 9};
  const auto all = std::as_bytes(std::span(&raw, 1));
  EXPECT_EQ(decoding::read<GrownRecord>(all)->added, 9U);
  const auto older = decoding::read<GrownRecord>(all.first(12));
  ASSERT_TRUE(older);
  EXPECT_EQ(older->old, 7U);
  EXPECT_EQ(older->also_old, 8U);
  EXPECT_EQ(older->added, 0U);
  EXPECT_EQ(decoding::read<GrownRecord>(all.first(14))->old, 7U);
  EXPECT_FALSE(decoding::read<GrownRecord>(all.first(11))) << "version 1 already wrote 12 bytes";
}

TEST(Decode, AcceptsAllVersionsSoFar) {
  auto raw = transition();
  raw.base.head.version = 1;
  EXPECT_TRUE(decoded(bytes(raw)));
  raw.base.head.version = 0;
  EXPECT_FALSE(decoded(bytes(raw)));
  raw.base.head.version = TCPDWELL_WIRE_VERSION + 1;
  EXPECT_FALSE(decoded(bytes(raw)));
}

TEST(Decode, RejectsTruncation) {
  const auto raw = transition();
  for (std::size_t size = 0; size < sizeof raw; ++size)
    EXPECT_FALSE(decoded(bytes(raw, size))) << size << " bytes";
}

TEST(Decode, IgnoresTailWithoutFlag) {
  auto raw = transition();
  raw.base.flags = 0;
  const auto event = decoded(bytes(raw, sizeof raw.base));
  ASSERT_TRUE(event);
  EXPECT_FALSE(std::get<TransitionEvent>(*event).task);
  EXPECT_FALSE(std::get<TransitionEvent>(*event).tally);
}

TEST(Decode, RejectsUnknownVersionsKindsStatesAndFamilies) {
  auto raw = transition();
  raw.base.head.version++;
  EXPECT_FALSE(decoded(bytes(raw)));
  for (const int kind : {0, 8, 255}) {
    raw = transition();
    raw.base.head.kind = static_cast<std::uint8_t>(kind);
    EXPECT_FALSE(decoded(bytes(raw))) << "kind " << kind;
  }
  for (const int state : {0, 13, 255}) {
    raw = transition();
    raw.base.to = static_cast<std::uint8_t>(state);
    EXPECT_FALSE(decoded(bytes(raw))) << "state " << state;
  }
  raw = transition();
  raw.base.flow.family = 1;
  EXPECT_FALSE(decoded(bytes(raw)));
}

TEST(Decode, Timers) {
  auto minisock = timer<tcpdwell_timewait>(TCPDWELL_TIMEWAIT, TCPDWELL_SEGMENT);
  minisock.substate = 5;
  minisock.left_jiffies = -3;
  ASSERT_TRUE(decoded(bytes(minisock)));
  EXPECT_EQ(std::get<TimewaitEvent>(*decoded(bytes(minisock))).left_jiffies, -3);
  minisock.substate = 1;
  EXPECT_FALSE(decoded(bytes(minisock))) << "a minisock is in no such state";
  minisock.substate = 6;
  minisock.canceller = TCPDWELL_BY_NETNS + 1;
  EXPECT_FALSE(decoded(bytes(minisock)));
  auto request = timer<tcpdwell_request>(TCPDWELL_REQUEST, TCPDWELL_EXPIRE);
  EXPECT_TRUE(decoded(bytes(request)));
  for (const int op : {0, 4, 255}) {
    request.head.op = static_cast<std::uint8_t>(op);
    EXPECT_FALSE(decoded(bytes(request))) << "op " << op;
  }
}

TEST(Decode, RandomBytesAreSafe) {
  std::vector<std::byte> noise(256);
  std::uint32_t seed = 1;
  for (int round = 0; round < 20000; ++round) {
    for (std::byte& byte : noise)
      byte = static_cast<std::byte>((seed = seed * 1664525U + 1013904223U) >> 24U);
    noise[8] = std::byte{TCPDWELL_WIRE_VERSION};
    noise[9] = std::byte{0};
    noise[10] = static_cast<std::byte>(seed % 8);
    decoded(std::span(noise).first(seed % noise.size()));
  }
}

}  // namespace
}  // namespace tcpdwell
