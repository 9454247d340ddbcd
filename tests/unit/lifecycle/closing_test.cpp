// SPDX-License-Identifier: Apache-2.0
// All ways to close a connection with a FIN: whole lives, in the order of the
// kernel's events.
#include "support/conn.h"

namespace tcpdwell::life_story {
namespace {

constexpr const char* kUpToClose = "CLOSED, SYN_SENT 10ms, ESTABLISHED 100ms, FIN_WAIT_1 1ms";

// Established at 0, closed by its process at 100 ms, FIN acknowledged at 101 ms.
Conn closing_first(Story& story, std::uint64_t cookie = 1) {
  return story.client(cookie)
      .establishes(0ms)
      .closes(Established, 100ms)
      .moves(FinWait1, FinWait2, 101ms, orphan());
}
// Same with shutdown(): the descriptor stays open.
Conn half_closing(Story& story) {
  return story.client(1)
      .establishes(0ms)
      .moves(Established, FinWait1, 100ms, half_closed_by())
      .moves(FinWait1, FinWait2, 101ms, {.shutdown = 2});
}

TEST(Closing, ActiveCloseWithLiveFin) {
  Story story;
  closing_first(story)
      .hands_over(FinWait2, FinWait2, 101ms)
      .segment(601ms)
      .minisock_expires(TimeWait, 61s);
  const Life life = story.life(1);
  EXPECT_EQ(life.states(),
            std::string(kUpToClose) + ", FIN_WAIT_2 500ms, TIME_WAIT 60399ms, CLOSED");
  EXPECT_EQ(life.verdict(), "fin, opened by local, closed by local, expired");
  EXPECT_EQ(life.owner(), "42 by connect");
  EXPECT_EQ(life.closer(), "42 by close");
  EXPECT_EQ(life.why(FinWait1), "close");
  EXPECT_EQ(life.why(FinWait2), "ack");
  EXPECT_EQ(life.why(TimeWait), "fin");
  EXPECT_EQ(life.why(Closed), "expired");
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

// The tracepoint shows CLOSED here, before the peer sends its FIN.
TEST(Closing, CloseOfFullSocketIsNotTheEnd) {
  Story story;
  closing_first(story).hands_over(FinWait2, FinWait2, 101ms);
  story.waits(50s);
  EXPECT_EQ(story.life(1).states(), std::string(kUpToClose) + ", FIN_WAIT_2");
  EXPECT_FALSE(story.life(1).over());
}

TEST(Closing, LongHeldFinWait2) {
  Story story;
  half_closing(story)
      .minisock_starts(TimeWait, 4608ms)
      .moves(FinWait2, Closed, 4608ms, {.shutdown = 3})  // dead=0: the descriptor is still open
      .minisock_expires(TimeWait, 65002ms);
  EXPECT_EQ(story.life(1).states(),
            std::string(kUpToClose) + ", FIN_WAIT_2 4507ms, TIME_WAIT 60394ms, CLOSED");
  EXPECT_EQ(story.life(1).why(FinWait1), "shutdown");
}

// FIN_WAIT_2 -> FIN_WAIT_2 is a close() after shutdown(): it only shows the closer.
TEST(Closing, FinWait2HeldThenClosedIsOneDwell) {
  Story story;
  half_closing(story)
      .moves(FinWait2, FinWait2, 1101ms, closed_by(77))
      .hands_over(FinWait2, FinWait2, 1101ms, {.left = 3s})
      .minisock_expires(FinWait2, 4170ms);
  EXPECT_EQ(story.life(1).states(), std::string(kUpToClose) + ", FIN_WAIT_2 4069ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
  EXPECT_EQ(story.life(1).closer(), "77 by close") << "the last descriptor, not the shutdown";
  EXPECT_EQ(story.life(1).owner(), "42 by connect");
}

TEST(Closing, SelfTransitionInFinWait1IsNotATransition) {
  Story story;
  story.client(1)
      .establishes(0ms)
      .moves(Established, FinWait1, 100ms, half_closed_by(42))
      .moves(FinWait1, FinWait1, 150ms, closed_by(43))
      .moves(FinWait1, FinWait2, 300ms, orphan())
      .hands_over(FinWait2, TimeWait, 300ms)
      .minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).dwell(FinWait1), "200ms");
  EXPECT_EQ(story.life(1).closer(), "43 by close");
}

TEST(Closing, TimedOutOrphanHasNoTimeWait) {
  Story story;
  closing_first(story)
      .hands_over(FinWait2, FinWait2, 101ms, {.left = 3s})
      .minisock_expires(FinWait2, 3306ms);
  EXPECT_EQ(story.life(1).states(), std::string(kUpToClose) + ", FIN_WAIT_2 3205ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
  EXPECT_EQ(story.life(1).why(Closed), "timeout");
}

// tcp_fin_timeout above 60 s: the full socket waits first, with its keepalive timer.
TEST(Closing, OrphanWithLateMinisock) {
  Story story;
  closing_first(story)
      .hands_over(FinWait2, FinWait2, 3332ms, {.left = 3s})
      .minisock_expires(FinWait2, 6404ms);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "6303ms");
}

TEST(Closing, OrphanWithNegativeLinger2EndsAtOnce) {
  Story story;
  closing_first(story).moves(FinWait2, Closed, 102ms, orphan()).sends_reset(Closed, 102ms);
  EXPECT_EQ(story.life(1).states(), std::string(kUpToClose) + ", FIN_WAIT_2 1ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "reset_sent, opened by local, closed by local");
}

TEST(Closing, FinAndAckInOneSegment) {
  Story story;
  story.client(1)
      .establishes(0ms)
      .closes(Established, 100ms)
      .moves(FinWait1, FinWait2, 101ms, orphan())
      .hands_over(FinWait2, TimeWait, 101ms + 30us)
      .minisock_expires(TimeWait, 61101ms + 30us);
  EXPECT_EQ(story.life(1).states(),
            std::string(kUpToClose) + ", FIN_WAIT_2 0.03ms, TIME_WAIT 61000ms, CLOSED");
}

TEST(Closing, SimultaneousClose) {
  Story story;
  story.client(1)
      .establishes(0ms)
      .closes(Established, 100ms)
      .moves(FinWait1, Closing, 101ms, orphan())
      .hands_over(Closing, TimeWait, 407ms)
      .minisock_expires(TimeWait, 61s);
  const Life life = story.life(1);
  EXPECT_EQ(life.states(), std::string(kUpToClose) + ", CLOSING 306ms, TIME_WAIT 60593ms, CLOSED");
  EXPECT_EQ(life.verdict(), "fin, opened by local, closed by both, expired");
  EXPECT_EQ(life.why(TimeWait), "ack") << "the FIN had already come";
}

// One socket is both ends: all segments pass the caller's backlog.
TEST(Closing, SelfConnect) {
  Story story;
  story.client(1)
      .connects(0ms)
      .moves(SynSent, SynReceived, 1ms)
      .moves(SynReceived, Established, 1ms)
      .closes(Established, 50ms)
      .moves(FinWait1, Closing, 50ms, orphan())
      .hands_over(Closing, TimeWait, 50ms)
      .minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).states(),
            "CLOSED, SYN_SENT 1ms, SYN_RECEIVED 0ms, ESTABLISHED 49ms, FIN_WAIT_1 0ms, "
            "CLOSING 0ms, TIME_WAIT 60950ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by both, closed by both, expired");
}

TEST(Closing, PassiveClose) {
  Story story;
  story.server(1)
      .arrives(0ms)
      .accepted(1ms, 7)
      .moves(Established, CloseWait, 100ms)
      .closes(CloseWait, 300ms, 7)
      .moves(LastAck, Closed, 803ms, orphan());
  EXPECT_EQ(story.life(1).states(),
            "LISTEN, SYN_RECEIVED 1ms, ESTABLISHED 100ms, CLOSE_WAIT 200ms, LAST_ACK 503ms, "
            "CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by remote, closed by remote");
  EXPECT_EQ(story.life(1).owner(), "7 by accept");
  EXPECT_EQ(story.life(1).closer(), "7 by close");
  EXPECT_EQ(story.life(1).why(CloseWait), "fin");
}

TEST(Closing, BucketOverflowHasNoTimeWait) {
  Story story;
  closing_first(story).moves(FinWait2, Closed, 101ms, orphan());
  story.waits_and_all_is_gone(1s);
  EXPECT_EQ(story.life(1).states(), std::string(kUpToClose) + ", FIN_WAIT_2 0ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
}

TEST(Closing, BucketOverflowAfterASimultaneousClose) {
  Story story;
  story.client(1)
      .establishes(0ms)
      .closes(Established, 100ms)
      .moves(FinWait1, Closing, 101ms, orphan())
      .moves(Closing, Closed, 200ms, orphan());
  story.waits_and_all_is_gone(1s);
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by both");
}

TEST(Closing, UnacknowledgedFin) {
  Story story;
  story.client(1)
      .establishes(0ms)
      .closes(Established, 100ms)
      .moves(FinWait1, Closed, 6520ms, orphan(ETIMEDOUT));
  story.server(2)
      .arrives(0ms)
      .moves(Established, CloseWait, 100ms)
      .closes(CloseWait, 200ms)
      .moves(LastAck, Closed, 6630ms, orphan(ETIMEDOUT));
  EXPECT_EQ(story.life(1).dwell(FinWait1), "6420ms");
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
  EXPECT_EQ(story.life(2).dwell(LastAck), "6430ms");
  EXPECT_EQ(story.life(2).verdict(), "timeout, opened by remote, closed by remote");
}

TEST(Closing, RearmsProlongTimeWait) {
  Story story;
  closing_first(story)
      .hands_over(FinWait2, TimeWait, 200ms)
      .minisock_rearmed(10200ms, {.left = 50s})
      .minisock_rearmed(40200ms, {.left = 30s})
      .segment(41s)  // same bucket of the timer wheel: only the segment shows it
      .minisock_expires(TimeWait, 101500ms);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "101300ms");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
}

TEST(Closing, MptcpSubflowHasNoCloser) {
  Story story;
  story.client(1)
      .establishes(0ms)
      .moves(Established, FinWait1, 100ms, {.shutdown = 3, .mptcp = true})
      .moves(FinWait1, FinWait1, 101ms, {.shutdown = 3, .mptcp = true})
      .moves(FinWait1, FinWait2, 102ms, {.shutdown = 3, .mptcp = true})
      .hands_over(FinWait2, TimeWait, 103ms)
      .minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
  EXPECT_EQ(story.life(1).closer(), "nobody") << "a kernel worker is not an owner";
  EXPECT_EQ(story.life(1).owner(), "42 by connect");
  EXPECT_EQ(story.life(1).why(FinWait1), "");
}

TEST(Closing, CountersComeFromTheEndOfTheFullSocket) {
  Story story;
  closing_first(story)
      .minisock_starts(TimeWait, 200ms)
      .moves(FinWait2, Closed, 200ms,
             {.dead = true, .tally = Tally{.bytes_sent = 11, .bytes_received = 22}})
      .minisock_expires(TimeWait, 61s);
  const auto tally = story.life(1).end().tally;
  ASSERT_TRUE(tally);
  EXPECT_EQ(tally->bytes_sent, 11U);
  EXPECT_EQ(tally->bytes_received, 22U);
}

}  // namespace
}  // namespace tcpdwell::life_story
