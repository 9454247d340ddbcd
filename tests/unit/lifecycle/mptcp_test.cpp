// SPDX-License-Identifier: Apache-2.0
// Subflows of MPTCP sockets: flags are about the MPTCP socket, which one subflow
// represents.
#include <cerrno>

#include "support/flag_story.h"

namespace tcpdwell::life_story {
namespace {

constexpr std::uint64_t kCookie = 7;

MptcpSocket socket_in(State state, std::uint64_t cookie = kCookie) {
  return {.object = 0x5000,
          .cookie = cookie,
          .state = state,
          .attached = true,
          .unread_bytes = 0,
          .subflows = 1,
          .acked_ago = {},
          .received_ago = {},
          .sent_ago = {}};
}

void changes(Story& story, MptcpSocket socket, State to, Nanos at, bool exiting = false) {
  story.on(MptcpChangeEvent{
      .at = story.clock(at), .socket = std::move(socket), .to = to, .exiting = exiting});
}

// A walk reads the MPTCP socket of subflow `cookie`.
void is_seen(Story& story, const MptcpSocket& socket, Nanos at, std::uint64_t cookie = kCookie) {
  story.on(MptcpEvent{.at = story.clock(at),
                      .subflows = {{.at = story.clock(at),
                                    .cookie = cookie,
                                    .stands = cookie == socket.cookie,
                                    .socket = socket}}});
}

Conn subflow(Story& story, std::uint64_t cookie = kCookie) {
  return story.server(cookie).arrives(0ms).accepted(1ms);
}

// The kernel is asked, and both the subflow and the MPTCP socket answer.
void is_answered(Story& story, Nanos at, State tcp, const MptcpSocket& socket) {
  const Question asked = question(story, at);
  EXPECT_TRUE(asked.mptcp);
  EXPECT_EQ(asked.state, tcp) << "the question has the state of the TCP socket";
  is_seen(story, socket, at);
  InquiryEvent answer = still_in(tcp);
  answer.holders = {held_by(4711)};
  answers(story, asked, at, answer);
}

TEST(Mptcp, IsFlaggedWhileItsSubflowIsEstablished) {
  Story story(flagging(CloseWait, 60s));
  subflow(story);
  changes(story, socket_in(Established), CloseWait, 1s);
  is_answered(story, 62s, Established, socket_in(CloseWait));
  const FlagRecord raised = flag(story);
  EXPECT_TRUE(raised.mptcp);
  EXPECT_EQ(raised.state, CloseWait);
  EXPECT_EQ(raised.cause, Cause::EofRead);
  EXPECT_EQ(raised.dwell.value, 61s) << "since the DATA_FIN";
  EXPECT_EQ(raised.dwell.error, Nanos{0});
  EXPECT_EQ(raised.holders.size(), 1U);
  EXPECT_EQ(raised.unread_bytes, 0U);
}

TEST(Mptcp, IsClearedOnlyByItsOwnClose) {
  Story story(flagging(CloseWait, 60s));
  Conn tcp = subflow(story);
  changes(story, socket_in(Established), CloseWait, 1s);
  is_answered(story, 62s, Established, socket_in(CloseWait));
  tcp.moves(Established, CloseWait, 63s, {.mptcp = true});
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 61000ms")
      << "the state of the TCP socket does not matter";
  changes(story, socket_in(CloseWait), LastAck, 71s);
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 61000ms, CLOSE_WAIT cleared 70000ms");
  EXPECT_EQ(story.lifecycle().flags_open(), 0U);
}

TEST(Mptcp, IsClearedWhenItsSubflowEnds) {
  Story story(flagging(CloseWait, 60s));
  Conn tcp = subflow(story);
  changes(story, socket_in(Established), CloseWait, 1s);
  is_answered(story, 62s, Established, socket_in(CloseWait));
  tcp.moves(Established, Closed, 71s, {.err = ECONNRESET, .mptcp = true});
  story.waits(75s);
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 61000ms, CLOSE_WAIT cleared 70000ms");
}

TEST(Mptcp, UnreadBytesAreOfTheMptcpSocketAfterFallback) {
  Story story(flagging(CloseWait, 60s));
  Conn tcp = subflow(story);
  tcp.moves(Established, CloseWait, 1s, {.mptcp = true});
  changes(story, socket_in(Established), CloseWait, 1s);
  MptcpSocket socket = socket_in(CloseWait);
  socket.unread = true;
  socket.unread_bytes = 3;
  is_answered(story, 62s, CloseWait, socket);
  EXPECT_EQ(flag(story).cause, Cause::DataUnread);
  EXPECT_EQ(flag(story).unread_bytes, 3U);
}

TEST(Mptcp, UnknownUnreadBytesAreNotReported) {
  Story story(flagging(CloseWait, 60s));
  subflow(story);
  changes(story, socket_in(Established), CloseWait, 1s);
  MptcpSocket socket = socket_in(CloseWait);
  socket.unread = true;
  socket.unread_bytes.reset();
  is_answered(story, 62s, Established, socket);
  EXPECT_EQ(flag(story).cause, Cause::DataUnread);
  EXPECT_FALSE(flag(story).unread_bytes);
}

TEST(Mptcp, NoFlagIfOnlyTheSubflowIsClosed) {
  Story story(flagging(CloseWait, 60s));
  subflow(story).moves(Established, CloseWait, 1s, {.mptcp = true});
  is_answered(story, 62s, CloseWait, socket_in(Established));
  EXPECT_TRUE(questions(story, 10min).empty());
  EXPECT_EQ(flags(story), "");
  EXPECT_EQ(story.lifecycle().mptcp_not_judged(), 0U);
}

TEST(Mptcp, UnreadableSocketIsCountedOnce) {
  Story story(flagging(CloseWait, 60s));
  subflow(story).moves(Established, CloseWait, 1s, {.mptcp = true});
  for (const Nanos at : {Nanos{62s}, Nanos{64s}}) {
    const Question asked = question(story, at);
    answers(story, asked, at, still_in(CloseWait));
  }
  EXPECT_EQ(flags(story), "") << "no flag for the TCP socket";
  EXPECT_EQ(story.lifecycle().mptcp_not_judged(), 1U);
  is_answered(story, 66s, CloseWait, socket_in(CloseWait));
  EXPECT_EQ(story.lifecycle().flags_raised(), 1U) << "asked about again";
}

TEST(Mptcp, OneSubflowRepresentsTheSocket) {
  Story story(flagging(CloseWait, 60s));
  subflow(story, 7);
  subflow(story, 8).moves(Established, CloseWait, 1s, {.mptcp = true});
  changes(story, socket_in(Established), CloseWait, 1s);
  is_seen(story, socket_in(CloseWait), 2s, 7);
  is_seen(story, socket_in(CloseWait), 2s, 8);
  const Question asked = question(story, 62s);
  EXPECT_EQ(asked.cookie, 7U);
}

TEST(Mptcp, OlderSocketHasBothBounds) {
  Story story(flagging(CloseWait, 60s));  // 250 jiffies are a second
  story.server(kCookie).found(Established, 100s);
  MptcpSocket socket = socket_in(CloseWait);
  socket.acked_ago = 250 * 70;
  socket.received_ago = 250 * 90;
  is_seen(story, socket, 100s);
  socket.acked_ago = 250 * 1;  // a keepalive was answered
  socket.received_ago = 250 * 91;
  is_answered(story, 101s, Established, socket);
  const FlagRecord raised = flag(story);
  EXPECT_FALSE(raised.dwell.error) << "a lower bound";
  EXPECT_EQ(raised.dwell.value, 71s - 4ms) << "the last jiffy may be incomplete";
  ASSERT_TRUE(raised.at_most);
  EXPECT_EQ(*raised.at_most, 91s + 4ms + 20ms) << "... or a tick was late";
}

TEST(Mptcp, WrappedStampsGiveNoBound) {
  Story story(flagging(CloseWait, 60s));
  const Nanos late = std::chrono::hours{24 * 200};  // 2^32 jiffies are 199 days
  story.server(kCookie).found(Established, late);
  MptcpSocket socket = socket_in(CloseWait);
  socket.acked_ago = 250 * 70;
  socket.received_ago = 250 * 90;
  is_seen(story, socket, late);
  is_answered(story, late + 1s, Established, socket);
  EXPECT_FALSE(flag(story).at_most);
}

TEST(Mptcp, SubflowIsTcpAfterTheMptcpSocketClosed) {
  Story story(flagging(FinWait2, 60s));
  Conn tcp = subflow(story);
  changes(story, socket_in(Established), FinWait1, 1s);
  changes(story, socket_in(FinWait1), Closed, 2s);
  tcp.moves(Established, FinWait1, 2s, {.mptcp = true});
  tcp.moves(FinWait1, FinWait2, 3s, {.mptcp = true});
  is_answered(story, 64s, FinWait2, socket_in(Closed));
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 61000ms");
  EXPECT_FALSE(flag(story).mptcp);
}

TEST(Mptcp, OrphanThresholdCountsFromTheClose) {
  Story story(flagging_by_default());
  subflow(story);
  changes(story, socket_in(Established), FinWait1, 1s);
  changes(story, socket_in(FinWait1), FinWait2, 1s);
  changes(story, socket_in(FinWait2), FinWait2, 50s);  // close() after shutdown()
  MptcpSocket socket = socket_in(FinWait2);
  socket.dead = true;
  socket.attached = false;
  const Question asked = question(story, 111s);
  is_seen(story, socket, 111s);
  answers(story, asked, 111s, still_in(Established));
  EXPECT_EQ(flags(story), "") << "the kernel ends it 60 s after the close";
  is_answered(story, 116s, Established, socket);
  EXPECT_EQ(flag(story).cause, Cause::Orphaned);
}

TEST(Mptcp, CloseByExitIsFlagged) {
  LifecycleConfig config = flagging(CloseWait, 60s);
  config.exit_grace = 100ms;
  Story story(config);
  subflow(story);
  changes(story, socket_in(Established), CloseWait, 1s);
  MptcpSocket socket = socket_in(CloseWait);
  socket.unread = true;
  socket.unread_bytes = 9;
  changes(story, socket, LastAck, 3s, true);
  EXPECT_EQ(flags(story), "CLOSE_WAIT by exit 2000ms");
  EXPECT_EQ(flag(story).cause, Cause::DataUnread);
  EXPECT_TRUE(flag(story).mptcp);
}

TEST(Mptcp, LostTransitionIsCorrected) {
  Story story(flagging(CloseWait, 60s));
  subflow(story);
  changes(story, socket_in(Established), CloseWait, 1s);
  is_answered(story, 62s, Established, socket_in(LastAck));
  EXPECT_EQ(flags(story), "") << "closed meanwhile";
  EXPECT_TRUE(questions(story, 10min).empty());
}

}  // namespace
}  // namespace tcpdwell::life_story
