// SPDX-License-Identifier: Apache-2.0
// Rare orders of events: timers cancelled twice or never started, events of unknown objects, equal
// timestamps, reused addresses, wrapped clocks, unseen events.
#include <cerrno>

#include "support/conn.h"

namespace tcpdwell::life_story {
namespace {

// In FIN_WAIT_2 since 20 ms, as a minisock.
Conn closed_early(Story& story, Timer timer = {}, std::uint64_t cookie = 1) {
  return story.client(cookie)
      .establishes(0ms)
      .closes(Established, 10ms)
      .moves(FinWait1, FinWait2, 20ms, orphan())
      .hands_over(FinWait2, FinWait2, 20ms, timer);
}
// In TIME_WAIT since 100 ms
Conn waiting(Story& story, std::uint64_t cookie = 1) {
  return story.client(cookie)
      .establishes(0ms)
      .closes(Established, 10ms)
      .moves(FinWait1, FinWait2, 20ms, orphan())
      .hands_over(FinWait2, TimeWait, 100ms);
}
TEST(OddTimers, TwoCancelsAreOneEndAtTheSecond) {
  Story story;
  waiting(story)
      .minisock_cancelled(TimeWait, 10s, {.canceller = Canceller::Segment})
      .minisock_cancelled(TimeWait, 10010ms, {.canceller = Canceller::Abort});
  story.waits(11s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "9910ms");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, killed");
}

TEST(OddTimers, StartWithoutCancelIsARearm) {
  Story story;
  waiting(story).minisock_starts(TimeWait, 10s);
  story.waits(20s);
  EXPECT_FALSE(story.life(1).over());
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(OddTimers, ExpireWithoutCancelIsTheEnd) {
  Story story;
  waiting(story).minisock(TimerOp::Expire, TimeWait, 61s, {.left = 0s});
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
}

TEST(OddTimers, SegmentAfterTheEndIsIgnored) {
  Story story;
  waiting(story).minisock_expires(TimeWait, 61s).segment(62s);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
  EXPECT_EQ(story.lifecycle().connections_ended(), 1U) << "a stray segment creates no connection";
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST(OddTimers, RearmAtTheTimeOfTheCancel) {
  Story story;
  waiting(story).minisock_rearmed(30s, {.left = 30s}).minisock_rearmed(30s, {.left = 60s});
  story.waits(40s);
  EXPECT_FALSE(story.life(1).over());
}

TEST(OddTimers, WaitsForADescheduledCpu) {
  Story story;
  waiting(story).on_cpu(3).minisock_cancelled(TimeWait, 30s, {.left = 30s});
  story.hears_of_cpu(1, 30100ms);
  story.waits(30200ms);
  EXPECT_FALSE(story.life(1).over()) << "events of another CPU do not count";
  Conn late = story.client(1).on_cpu(3);
  late.minisock_starts(TimeWait, 30210ms);
  story.waits(40s);
  EXPECT_FALSE(story.life(1).over()) << "a re-arm, the start of which came 210 ms later";
}

TEST(OddTimers, NextEventOfTheCpuResolvesTheEnd) {
  Story story;
  waiting(story).on_cpu(3).minisock_cancelled(TimeWait, 30s, {.canceller = Canceller::Abort});
  story.hears_of_cpu(3, 30001ms);
  story.waits(30051ms);
  EXPECT_TRUE(story.life(1).over());
}

TEST(OddTimers, EndJustBeforeFinishStaysPending) {
  Story story;
  story.client(2).establishes(0ms).moves(Established, Closed, 30s, {.err = ECONNRESET});
  story.finishes(30s);
  EXPECT_EQ(story.life(2).verdict(), "still open") << "our RST could still follow";
}

TEST(OddTimers, FinishResolvesOlderPendingEnds) {
  Story story;
  waiting(story, 1).minisock_cancelled(TimeWait, 30s, {.canceller = Canceller::Abort});
  story.client(2).establishes(0ms).moves(Established, Closed, 30s, {.err = ECONNRESET});
  story.server(3).request_starts(0ms).request_cancelled(30s, {.canceller = Canceller::Abort});
  story.finishes(30'002ms);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, killed");
  EXPECT_EQ(story.life(2).verdict(), "reset_received, opened by local, closed by remote");
  EXPECT_EQ(story.life_from(50003).verdict(), "killed, opened by remote, closed by none");
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST(OddFin, WithoutTimerEventIsDatedByTheExpiry) {
  Story story;
  closed_early(story).minisock_expires(TimeWait, 62020ms, {.left = -500ms});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "1500ms+-4ms");
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60500ms+-4ms");
}

TEST(OddFin, ErrorIsOneJiffyAtTheKernelsHz) {
  for (const auto& [hz, error] : {std::pair{100U, "10ms"}, {250U, "4ms"}, {1000U, "1ms"}}) {
    Story story({.hz = hz});
    closed_early(story).minisock_expires(TimeWait, 62020ms, {.left = -500ms});
    EXPECT_EQ(story.life(1).dwell(FinWait2), "1500ms+-" + std::string(error)) << hz;
  }
}

TEST(OddFin, ChangedStampIsPreferredToTheTimer) {
  Story story;
  closed_early(story, {.stamp_ms = story.stamp(20ms)})
      .minisock_expires(TimeWait, 70s, {.left = -500ms, .stamp_ms = story.stamp(520ms)});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "500ms+-1ms") << "a re-arm has moved the timer";
}

TEST(OddFin, UnchangedStampIsIgnored) {
  Story story;  // no TCP timestamps: the stamp stays that of the minisock's start
  closed_early(story, {.stamp_ms = story.stamp(20ms)})
      .minisock_expires(TimeWait, 62020ms, {.left = -500ms, .stamp_ms = story.stamp(20ms)});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "1500ms+-4ms");
}

TEST(OddFin, RestartOfTheTimerIsTheFin) {
  Story story;
  closed_early(story).minisock_rearmed(1020ms, {.left = 59s}).minisock_expires(TimeWait, 62s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "1000ms");
}

// Most FINs leave the timer in its bucket; then only a retransmit shows.
TEST(OddFin, RestartOfTheTimerMayBeLaterThanTheFin) {
  Story story;
  closed_early(story).minisock_rearmed(3s, {.left = 57520ms}).minisock_expires(TimeWait, 64s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "500ms+-4ms")
      << "at the restart 57.52 s were left of the 60 that the FIN had set";
}

TEST(OddFin, RestartOfTheTimerMayBeLaterThanTheStamp) {
  Story story;
  closed_early(story, {.stamp_ms = story.stamp(20ms)})
      .minisock_rearmed(3s, {.left = 59s, .stamp_ms = story.stamp(520ms)})
      .minisock_expires(TimeWait, 64s, {.left = 0s, .stamp_ms = story.stamp(520ms)});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "500ms+-1ms");
}

TEST(OddFin, RestartOfAShortTimeoutIsTheFin) {
  Story story;  // tcp_fin_timeout or TCP_LINGER2 of 3 s: the timer is not the one of 60 s
  closed_early(story, {.left = 3s})
      .minisock_rearmed(1020ms, {.left = 2s})
      .minisock_expires(TimeWait, 62s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "1000ms");
}

TEST(OddFin, IsNeverBeforeItsMinisock) {
  Story story;  // despite rounding
  closed_early(story).minisock_expires(TimeWait, 60018ms, {.left = 0s});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "0ms+-4ms");
}

TEST(Wraps, StampOf32BitMilliseconds) {
  // The FIN comes just before, and the timer expires after CLOCK_MONOTONIC passed 2^32 ms.
  const Nanos wrap = std::chrono::milliseconds{1LL << 32};
  Story story({}, {}, wrap - 2s);
  ASSERT_GT(story.stamp(1900ms), story.stamp(62s)) << "this test needs a wrap";
  closed_early(story, {.stamp_ms = story.stamp(20ms)})
      .minisock_expires(TimeWait, 62s, {.left = 0s, .stamp_ms = story.stamp(1900ms)});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "1880ms+-1ms");
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60100ms+-1ms");
}

TEST(Wraps, StampAfterSeveralWraps) {
  Story story({}, {}, std::chrono::hours{24 * 50 * 7});
  closed_early(story, {.stamp_ms = story.stamp(20ms)})
      .minisock_expires(TimeWait, 62s, {.left = 0s, .stamp_ms = story.stamp(520ms)});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "500ms+-1ms");
}

TEST(Reuse, AddressAfterAnUnseenEnd) {
  Story story;
  waiting(story, 1);
  story.client(2)
      .minisock_at(story.client(1).minisock_address())
      .establishes(0ms)
      .closes(Established, 10ms)
      .moves(FinWait1, FinWait2, 20ms, orphan())
      .hands_over(FinWait2, TimeWait, 10100ms)
      .minisock_expires(TimeWait, 71s);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, unknown");
  EXPECT_EQ(story.life(1).dwell(TimeWait), "5000ms+-5000ms")
      << "at an unknown time within ten seconds";
  EXPECT_EQ(story.life(2).dwell(TimeWait), "60900ms");
}

TEST(Reuse, CookieOfTwoMinisocksAndALiveSocket) {
  Story story;
  for (const std::uint32_t life : {0U, 1U}) {
    const Nanos at = 1s * life;
    story.client(1)
        .minisock_at(0x9000 + life)
        .local_port(static_cast<std::uint16_t>(41000 + life))
        .connects(at, {.pid = kPid, .life = life})
        .moves(SynSent, Established, at + 10ms)
        .moves(Established, FinWait1, at + 20ms, half_closed_by())
        .moves(FinWait1, FinWait2, at + 30ms)
        .minisock_starts(TimeWait, at + 40ms)
        .moves(FinWait2, Closed, at + 40ms);  // the socket is disconnected and used again
  }
  story.client(1)
      .local_port(41002)
      .connects(2s, {.pid = kPid, .life = 2})
      .moves(SynSent, Established, 2010ms);
  EXPECT_EQ(story.lifecycle().open(), 3U);
  Conn later = story.client(1).minisock_at(0x9001).local_port(41001);
  later.minisock_expires(TimeWait, 62s);
  EXPECT_EQ(story.life(1, 1).dwell(TimeWait), "60960ms");
  Conn former = story.client(1).minisock_at(0x9000).local_port(41000);
  former.minisock_cancelled(TimeWait, 62s, {.canceller = Canceller::Connect});
  story.waits(63s);
  EXPECT_EQ(story.life(1, 0).verdict(), "fin, opened by local, closed by local, reused");
  EXPECT_EQ(story.life(1, 2).states(), "CLOSED, SYN_SENT 10ms, ESTABLISHED");
}

TEST(Reuse, AddressOfARequestForAnotherRequest) {
  Story story;
  story.server(1).request_at(0x8000).request_starts(0ms);
  story.server(2).request_at(0x8000).request_starts(10s);
  EXPECT_EQ(story.life_from(50001).verdict(), "unknown, opened by remote, closed by unknown");
  EXPECT_EQ(story.life_from(50001).dwell(SynReceived), "5000ms+-5000ms");
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(Reuse, FlowOfARequestForAnotherRequest) {
  Story story;
  story.server(1).request_at(0x8000).request_starts(0ms).request_cancelled(100ms);
  story.server(1).request_at(0x8100).request_starts(101ms).request_cancelled(201ms);
  story.waits_and_all_is_gone(1s);
  EXPECT_EQ(story.lifecycle().connections_ended(), 2U);
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST(Unknown, EventsOfUnknownObjectsAreIgnored) {
  Story story;
  story.client(1).accepted(1s).sends_reset(Established, 1s).sends_syn_again(1s).segment(1s);
  story.server(2).request_cancelled(1s).request_expires(2s);
  story.waits(5s);
  story.finishes(6s);
  EXPECT_TRUE(story.records().empty());
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST(Unknown, EqualTimestampsGiveZeroDwells) {
  Story story;
  story.client(1)
      .connects(0ms)
      .moves(SynSent, Established, 0ms)
      .closes(Established, 0ms)
      .moves(FinWait1, FinWait2, 0ms, orphan())
      .minisock_starts(TimeWait, 0ms)
      .moves(FinWait2, Closed, 0ms, orphan())
      .minisock(TimerOp::Cancel, TimeWait, 0ms)
      .minisock(TimerOp::Expire, TimeWait, 0ms);
  EXPECT_EQ(story.life(1).states(),
            "CLOSED, SYN_SENT 0ms, ESTABLISHED 0ms, FIN_WAIT_1 0ms, FIN_WAIT_2 0ms, "
            "TIME_WAIT 0ms, CLOSED");
}

TEST(Unknown, DecreasingTimestampsGiveNoNegativeDwell) {
  Story story;
  story.client(1)
      .connects(0ms)
      .moves(SynSent, Established, 10ms)
      .moves(Established, CloseWait, 9ms)
      .closes(CloseWait, 20ms);
  EXPECT_EQ(story.life(1).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 0ms, CLOSE_WAIT 10ms, LAST_ACK");
}

TEST(Older, SocketHasALowerBound) {
  Story story;
  story.client(1).closes(CloseWait, 5s, 9).moves(LastAck, Closed, 5100ms, orphan());
  EXPECT_EQ(story.life(1).states(), "CLOSE_WAIT >=5000ms, LAST_ACK 100ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by unknown, closed by remote");
  EXPECT_EQ(story.life(1).owner(), "9 by close");
}

TEST(Older, MinisockInTimeWait) {
  Story story;
  story.client(1).minisock_expires(TimeWait, 10s, {.left = -400ms});
  EXPECT_EQ(story.life(1).states(), "TIME_WAIT >=60400ms, CLOSED") << "last armed 60.4 s ago";
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by unknown, closed by unknown, expired");
}

TEST(Older, MinisockInFinWait2) {
  Story story;
  story.client(1).minisock_expires(FinWait2, 10s);
  EXPECT_EQ(story.life(1).states(), "FIN_WAIT_2 >=10000ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by unknown, closed by local");
}

TEST(Older, SocketFirstSeenAsMinisock) {
  for (const std::uint64_t cookie : {0U, 1U}) {  // 0: no cookie was assigned before
    Story story;
    story.client(1)
        .minisock_cookie(cookie)
        .hands_over(FinWait2, FinWait2, 5s)
        .segment(7s)
        .minisock_expires(TimeWait, 68s);
    EXPECT_EQ(story.life(1).states(), "FIN_WAIT_2 >=7000ms, TIME_WAIT 61000ms, CLOSED");
    EXPECT_EQ(story.life(1).verdict(), "fin, opened by unknown, closed by local, expired");
    EXPECT_EQ(story.lifecycle().open(), 0U);
  }
}

TEST(Older, MinisockThatGetsACookieLater) {
  Story story;
  Conn conn = story.client(1).minisock_cookie(0).hands_over(FinWait2, TimeWait, 5s);
  conn.minisock_cookie(0x77).minisock_expires(TimeWait, 66s);  // `ss -e` assigned it
  EXPECT_EQ(story.life(1).states(), "FIN_WAIT_2 >=5000ms, TIME_WAIT 61000ms, CLOSED");
  EXPECT_EQ(story.lifecycle().connections_ended(), 1U);
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

}  // namespace
}  // namespace tcpdwell::life_story
