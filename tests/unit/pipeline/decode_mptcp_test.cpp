// SPDX-License-Identifier: Apache-2.0
// Decodes MPTCP records, and checks that a recording keeps them.
#include <gtest/gtest.h>

#include "pipeline/decode.h"
#include "recording/entries.h"
#include "support/wire_bytes.h"
#include "tcpdwell/wire.h"

namespace tcpdwell {
namespace {

using namespace wire_bytes;

tcpdwell_mptcp raw_socket() {
  tcpdwell_mptcp raw{};
  raw.object = 0x1000;
  raw.subflow = 0x2000;
  raw.cookie = 7;
  raw.unread = 3;
  raw.unsent = 4;
  raw.acked_ago = 1;
  raw.received_ago = 2;
  raw.sent_ago = TCPDWELL_NEVER;
  raw.subflows = 2;
  raw.state = 8;  // CLOSE_WAIT
  raw.flags = TCPDWELL_MPTCP_IS_ATTACHED | TCPDWELL_MPTCP_UNREAD;
  return raw;
}

tcpdwell_mptcp_change raw_change() {
  tcpdwell_mptcp_change raw{};
  raw.head = {.at_ns = 9'000'000'000,
              .version = TCPDWELL_WIRE_VERSION,
              .kind = TCPDWELL_MPTCP_CHANGE,
              .op = 0,
              .cpu = 0};
  raw.mptcp = raw_socket();
  raw.to = 9;  // LAST_ACK
  return raw;
}

void expect_socket(const MptcpSocket& socket) {
  EXPECT_EQ(socket.object, 0x1000U);
  EXPECT_EQ(socket.cookie, 7U);
  EXPECT_EQ(socket.state, State::CloseWait);
  EXPECT_TRUE(socket.attached);
  EXPECT_FALSE(socket.dead);
  EXPECT_TRUE(socket.unread);
  EXPECT_EQ(socket.unread_bytes, 3U);
  EXPECT_EQ(socket.unsent_bytes, 4U);
  EXPECT_EQ(socket.subflows, 2U);
  EXPECT_EQ(socket.acked_ago, 1U);
  EXPECT_EQ(socket.received_ago, 2U);
  EXPECT_FALSE(socket.sent_ago) << "never";
}

TEST(DecodeMptcp, Change) {
  auto raw = raw_change();
  raw.mptcp.flags |= TCPDWELL_MPTCP_EXITING;
  Event event;
  ASSERT_TRUE(decode(bytes(raw), event));
  const auto& change = std::get<MptcpChangeEvent>(event);
  EXPECT_EQ(change.at, Nanos{9'000'000'000});
  EXPECT_EQ(change.to, State::LastAck);
  EXPECT_TRUE(change.exiting);
  expect_socket(change.socket);
}

TEST(DecodeMptcp, RejectsDamagedChange) {
  Event event;
  auto raw = raw_change();
  EXPECT_FALSE(decode(bytes(raw, sizeof raw - 1), event));
  raw.to = 0;
  EXPECT_FALSE(decode(bytes(raw), event));
  raw = raw_change();
  raw.mptcp.state = 13;
  EXPECT_FALSE(decode(bytes(raw), event));
}

TEST(DecodeMptcp, UnknownNumberOfUnreadBytes) {
  auto raw = raw_change();
  raw.mptcp.flags |= TCPDWELL_MPTCP_UNCOUNTED;
  Event event;
  ASSERT_TRUE(decode(bytes(raw), event));
  EXPECT_FALSE(std::get<MptcpChangeEvent>(event).socket.unread_bytes);
}

tcpdwell_mptcp_subflow raw_subflow() {
  return {.at_ns = 5'000'000'000, .cookie = 8, .mptcp = raw_socket(), .stands = 1, .pad = 0};
}

TEST(DecodeMptcp, Subflow) {
  const auto raw = raw_subflow();
  const auto subflow = decode_subflow(bytes(raw));
  ASSERT_TRUE(subflow);
  EXPECT_EQ(subflow->at, Nanos{5'000'000'000});
  EXPECT_EQ(subflow->cookie, 8U);
  EXPECT_TRUE(subflow->stands);
  expect_socket(subflow->socket);
  EXPECT_FALSE(decode_subflow(bytes(raw, sizeof raw - 1)));
}

TEST(DecodeMptcp, RecordingKeepsAllFields) {
  const auto raw = raw_subflow();
  MptcpEvent written{.at = Nanos{6'000'000'000}, .subflows = {*decode_subflow(bytes(raw))}};
  written.subflows.push_back(written.subflows.front());
  written.subflows.back().socket.unread_bytes.reset();
  recording::UserEventReader reader;
  std::optional<recording::UserEventReader::Read> read;
  recording::pack(written, nullptr, [&](recording::Entry entry, auto entry_bytes) {
    EXPECT_FALSE(read) << "only the full length is valid";
    read = reader.read(entry, entry_bytes);
  });
  ASSERT_TRUE(read);
  const auto& got = std::get<MptcpEvent>(read->event);
  EXPECT_EQ(got.at, written.at);
  ASSERT_EQ(got.subflows.size(), 2U);
  EXPECT_EQ(got.subflows[0].cookie, 8U);
  EXPECT_TRUE(got.subflows[0].stands);
  expect_socket(got.subflows[0].socket);
  EXPECT_FALSE(got.subflows[1].socket.unread_bytes);
}

TEST(DecodeMptcp, RejectsEventWithMissingSubflow) {
  const auto raw = raw_subflow();
  const MptcpEvent written{.at = Nanos{6'000'000'000}, .subflows = {*decode_subflow(bytes(raw))}};
  recording::UserEventReader reader;
  recording::pack(written, nullptr, [&](recording::Entry entry, auto entry_bytes) {
    if (entry != recording::Entry::MptcpSubflow) {
      EXPECT_FALSE(reader.read(entry, entry_bytes));
    }
  });
}

}  // namespace
}  // namespace tcpdwell
