// SPDX-License-Identifier: Apache-2.0
// Aborts: sk_err, sk_shutdown and our own RSTs, in any order.
#include <cerrno>

#include "support/conn.h"

namespace tcpdwell::life_story {
namespace {

Conn open_one(Story& story) { return story.client(1).establishes(0ms); }

TEST(Abort, LingerZeroKeepsTheFlowInTheRecord) {
  Story story;
  Conn conn = open_one(story);
  conn.vanishes(Established, 50ms, closed_by()).sends_reset(Closed, 50ms);
  EXPECT_EQ(story.life(1).states(), "CLOSED, SYN_SENT 10ms, ESTABLISHED 50ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "reset_sent, opened by local, closed by local");
  EXPECT_EQ(story.life(1).why(Closed), "close");
  EXPECT_EQ(story.life(1).last_socket().flow, conn.flow());
}

TEST(Abort, CloseWithUnreadDataSkipsLastAck) {
  Story story;
  story.server(1)
      .arrives(0ms)
      .moves(Established, CloseWait, 10ms)
      .moves(CloseWait, Closed, 30ms, closed_by(7))
      .sends_reset(Closed, 30ms);
  EXPECT_EQ(story.life(1).states(),
            "LISTEN, SYN_RECEIVED 1ms, ESTABLISHED 10ms, CLOSE_WAIT 20ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "reset_sent, opened by remote, closed by remote")
      << "the peer's FIN came first";
  EXPECT_EQ(story.life(1).closer(), "7 by close");
}

TEST(Abort, RstEndsEveryState) {
  struct Case {
    State state;
    const char* closed_by;
  };
  for (const auto& [state, by] : {Case{Established, "remote"},
                                  {FinWait1, "local"},
                                  {FinWait2, "local"},
                                  {Closing, "both"},
                                  {LastAck, "remote"}}) {
    Story story;
    Conn conn = open_one(story);
    if (state == LastAck)
      conn.moves(Established, CloseWait, 10ms).closes(CloseWait, 20ms);
    else if (state != Established)
      conn.closes(Established, 10ms);
    if (state == FinWait2 || state == Closing) conn.moves(FinWait1, state, 20ms, orphan());
    conn.moves(state, Closed, 100ms, {.err = ECONNRESET});
    story.waits(1s);
    EXPECT_EQ(story.life(1).verdict(),
              "reset_received, opened by local, closed by " + std::string(by))
        << name(state);
    EXPECT_EQ(story.life(1).why(Closed), "reset");
  }
}

TEST(Abort, RstInCloseWaitSetsEpipe) {
  Story story;
  open_one(story)
      .moves(Established, CloseWait, 10ms)
      .moves(CloseWait, Closed, 20ms, {.err = EPIPE});
  story.waits(1s);
  EXPECT_EQ(story.life(1).verdict(), "reset_received, opened by local, closed by remote");
}

// tcp_reset() runs here too: tracepoint tcp_receive_reset and sk_err show a received RST.
TEST(Abort, DataAfterCloseIsAnsweredWithOurRst) {
  Story story;
  open_one(story)
      .closes(Established, 10ms)
      .moves(FinWait1, Closed, 20ms, orphan(ECONNRESET))
      .sends_reset(Closed, 20ms + 3us);
  EXPECT_EQ(story.life(1).verdict(), "reset_sent, opened by local, closed by local");
  EXPECT_EQ(story.life(1).end().when.mono, story.clock(20ms));
}

TEST(Abort, SockDestroySendsRstBeforeTheEnd) {
  Story story;
  open_one(story)
      .sends_reset(Established, 50ms)
      .moves(Established, Closed, 50ms, {.err = ECONNABORTED});
  EXPECT_EQ(story.life(1).verdict(), "killed, opened by local, closed by local");
  EXPECT_EQ(story.life(1).closer(), "nobody") << "ss does not use the socket";
}

TEST(Abort, KeepaliveTimesOut) {
  Story story;
  open_one(story)
      .sends_reset(Established, 50ms)
      .moves(Established, Closed, 50ms, {.err = ETIMEDOUT});
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
}

TEST(Abort, TooManyOrphans) {
  Story story;
  open_one(story)
      .closes(Established, 10ms)
      .moves(FinWait1, Closed, 10ms, closed_by())
      .sends_reset(Closed, 10ms, true);
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
}

TEST(Abort, TooLittleMemoryInLastAck) {
  Story story;
  open_one(story)
      .moves(Established, CloseWait, 10ms)
      .closes(CloseWait, 20ms)
      .sends_reset(LastAck, 30ms, true)
      .moves(LastAck, Closed, 30ms, orphan());
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by remote");
}

// RFC 9293, 3.5.1: an old ACK in SYN_SENT is answered with an RST, and the SYN is sent again.
TEST(Abort, RstSentInEarlierStateDoesNotExplainTheEnd) {
  Story story;
  story.client(1)
      .connects(0ms)
      .sends_reset(SynSent, 5ms)
      .moves(SynSent, Established, 1s)
      .moves(Established, Closed, 2s, {.err = ECONNRESET});
  story.waits(3s);
  EXPECT_EQ(story.life(1).verdict(), "reset_received, opened by local, closed by remote");
}

TEST(Abort, SenderOfRstIsUnknownWithoutResetEvents) {
  Story story({.watches_resets = false});
  open_one(story).moves(Established, Closed, 50ms, {.err = ECONNRESET});
  EXPECT_EQ(story.life(1).verdict(), "unknown, opened by local, closed by unknown");
  EXPECT_EQ(story.life(1).why(Closed), "reset");
}

TEST(Abort, NextLifeOfTheCookieResolvesPendingEnd) {
  Story story;
  Conn conn = open_one(story).moves(Established, Closed, 50ms, {.err = ECONNRESET});
  conn.connects(51ms, {.pid = kPid, .life = 1});
  EXPECT_EQ(story.life(1).verdict(), "reset_received, opened by local, closed by remote");
  EXPECT_EQ(story.life(1).states(), "CLOSED, SYN_SENT 10ms, ESTABLISHED 50ms, CLOSED");
}

struct Kill {
  Canceller by;
  const char* time_wait;
  const char* orphan;
};
class MinisockKill : public testing::TestWithParam<Kill> {};
INSTANTIATE_TEST_SUITE_P(Cancellers, MinisockKill,
                         testing::Values(Kill{Canceller::Segment, "reset", "reset_received"},
                                         Kill{Canceller::Receive, "recycled", "reset_sent"},
                                         Kill{Canceller::Connect, "reused", "unknown"},
                                         Kill{Canceller::Abort, "killed", "killed"},
                                         Kill{Canceller::Netns, "netns", "netns"},
                                         Kill{Canceller::Unknown, "unknown", "unknown"}));

TEST_P(MinisockKill, EndsInItsCurrentState) {
  for (const State substate : {TimeWait, FinWait2}) {
    Story story;
    open_one(story)
        .closes(Established, 10ms)
        .moves(FinWait1, FinWait2, 20ms, orphan())
        .hands_over(FinWait2, substate, 30ms)
        .minisock_cancelled(substate, 5030ms, {.left = 55s, .canceller = GetParam().by});
    story.waits_and_all_is_gone(5030ms + 49ms);
    EXPECT_FALSE(story.life(1).over()) << "it may be a re-arm";
    story.waits_and_all_is_gone(6s);
    const std::string ended = substate == TimeWait ? "fin" : GetParam().orphan;
    const std::string time_wait =
        substate == TimeWait ? ", " + std::string(GetParam().time_wait) : "";
    EXPECT_EQ(story.life(1).verdict(), ended + ", opened by local, closed by local" + time_wait);
    EXPECT_EQ(story.life(1).dwell(substate), substate == TimeWait ? "5000ms" : "5010ms")
        << "the time of the cancel";
  }
}

TEST_P(MinisockKill, EndsTimeWaitAfterUnseenFin) {
  Story story;
  open_one(story)
      .closes(Established, 10ms)
      .moves(FinWait1, FinWait2, 20ms, orphan())
      .hands_over(FinWait2, FinWait2, 20ms)
      .minisock_cancelled(TimeWait, 5s, {.left = 56s, .canceller = GetParam().by});
  story.waits_and_all_is_gone(6s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "980ms+-4ms");
  EXPECT_EQ(story.life(1).dwell(TimeWait), "4000ms+-4ms");
  EXPECT_EQ(story.life(1).verdict(),
            "fin, opened by local, closed by local, " + std::string(GetParam().time_wait));
}

}  // namespace
}  // namespace tcpdwell::life_story
