// SPDX-License-Identifier: Apache-2.0
#include "support/story.h"

namespace tcpdwell::test {
namespace {

using life_story::Story;

using enum State;

constexpr const char* kActive =
    "CLOSED SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT CLOSED";
constexpr const char* kNoTimeWait = "CLOSED SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 CLOSED";

Story& expires(Story& story, State substate, Nanos at) {
  story.on(story.timer(TimerOp::Cancel, substate, at));
  return story.on(story.timer(TimerOp::Expire, substate, at));
}

TEST(Minisock, HeldFinWait2GoesToTimeWaitWithItsFin) {
  Story story;
  story.closes_first().hands_over(TimeWait, 4600ms);
  expires(story, TimeWait, 65s);
  EXPECT_EQ(story.path(), kActive);
  EXPECT_EQ(story.dwell(FinWait2).value, 4498ms);
  EXPECT_EQ(story.dwell(TimeWait).value, 60400ms);
  EXPECT_EQ(story.dwell(TimeWait).error, 0ns);
  EXPECT_EQ(story.connection().ended, Ended::Fin);
  EXPECT_EQ(story.connection().time_wait_ended, TimeWaitEnded::Expired);
  EXPECT_EQ(story.connection().closed_by, Side::Local);
  EXPECT_EQ(story.connection().tally->bytes_sent, 5U) << "the final counters of the full socket";
}

TEST(Minisock, OrphanKeepsFinWait2InTheMinisock) {
  Story story;
  story.closes_first().hands_over(FinWait2, 102ms);
  EXPECT_EQ(story.all<ConnectionRecord>().size(), 0U) << "that CLOSE is not an end";
  story.on(story.timer(TimerOp::Segment, TimeWait, 602ms));
  expires(story, TimeWait, 61s);
  EXPECT_EQ(story.path(), kActive);
  EXPECT_EQ(story.dwell(FinWait2).value, 500ms);
  EXPECT_EQ(story.dwell(FinWait2).error, 0ns);
}

TEST(Minisock, TimedOutOrphanHasNoTimeWait) {
  Story story;
  story.closes_first().hands_over(FinWait2, 102ms);
  expires(story, FinWait2, 3307ms);
  EXPECT_EQ(story.path(), kNoTimeWait);
  EXPECT_EQ(story.dwell(FinWait2).value, 3205ms);
  EXPECT_EQ(story.connection().ended, Ended::Timeout);
  EXPECT_FALSE(story.connection().time_wait_ended);
}

TEST(Minisock, CancelAndStartIsARearm) {
  Story story;
  story.closes_first().hands_over(TimeWait, 200ms);
  story.on(story.timer(TimerOp::Cancel, TimeWait, 30s));
  story.on(story.timer(TimerOp::Start, TimeWait, 30s)).waits(40s);
  EXPECT_TRUE(story.all<ConnectionRecord>().empty());
  expires(story, TimeWait, 91s);
  EXPECT_EQ(story.dwell(TimeWait).value, 90800ms) << "since the FIN, not since the last arm";
}

TEST(Minisock, RearmToTimeWaitIsTheFin) {
  Story story;
  story.closes_first().hands_over(FinWait2, 102ms);
  story.on(story.timer(TimerOp::Cancel, TimeWait, 1102ms));
  story.on(story.timer(TimerOp::Start, TimeWait, 1102ms));
  expires(story, TimeWait, 62s);
  EXPECT_EQ(story.dwell(FinWait2).value, 1s);
}

TEST(Minisock, UnseenFinIsDatedByTheTimer) {
  Story story;
  story.closes_first().hands_over(FinWait2, 102ms);
  auto expire = story.timer(TimerOp::Expire, TimeWait, 62s);
  expire.left_jiffies = -250;  // due one second ago
  story.on(expire);
  EXPECT_EQ(story.path(), kActive);
  EXPECT_EQ(story.dwell(FinWait2).value, 898ms);
  EXPECT_EQ(story.dwell(FinWait2).error, 4ms);
  EXPECT_EQ(story.dwell(TimeWait).value, 61s);
}

TEST(Minisock, UnseenFinIsDatedByTheEntryStamp) {
  Story story;
  story.closes_first();
  auto start = story.timer(TimerOp::Start, FinWait2, 102ms);
  start.entry_stamp_ms = 1000102;
  story.on(start).on(story.moves(FinWait2, Closed, 102ms));
  auto expire = story.timer(TimerOp::Expire, TimeWait, 62s);
  expire.entry_stamp_ms = 1000602;
  story.on(expire);
  EXPECT_EQ(story.dwell(FinWait2).value, 500ms);
  EXPECT_EQ(story.dwell(FinWait2).error, 1ms);
}

TEST(Minisock, EntryStampWrapsAfter49Days) {
  // Uptime in ms is just past 2^32 at the expiry, and just before it at the FIN.
  const Nanos uptime = std::chrono::milliseconds{(1LL << 32) + 30000};
  Story story({.hz = kHz}, {}, uptime - 40s);
  const Nanos shift = 40s;  // from the start of the trace to the expiry
  story.on(story.moves(Established, FinWait1, shift - 35s));
  story.on(story.moves(FinWait1, FinWait2, shift - 34s));
  auto start = story.timer(TimerOp::Start, FinWait2, shift - 34s);
  start.entry_stamp_ms = static_cast<std::uint32_t>((uptime - 34s) / 1ms);
  story.on(start).on(story.moves(FinWait2, Closed, shift - 34s));
  auto expire = story.timer(TimerOp::Expire, TimeWait, shift);
  expire.entry_stamp_ms = static_cast<std::uint32_t>((uptime - 31s) / 1ms);
  story.on(expire);
  EXPECT_EQ(story.dwell(FinWait2).value, 3s);
  EXPECT_EQ(story.dwell(TimeWait).value, 31s);
}

struct Kill {
  Canceller by;
  TimeWaitEnded time_wait;
  Ended orphan;
};
class Killed : public testing::TestWithParam<Kill> {};
INSTANTIATE_TEST_SUITE_P(
    Each, Killed,
    testing::Values(Kill{Canceller::Segment, TimeWaitEnded::Reset, Ended::ResetReceived},
                    Kill{Canceller::Receive, TimeWaitEnded::Recycled, Ended::ResetSent},
                    Kill{Canceller::Connect, TimeWaitEnded::Reused, Ended::Unknown},
                    Kill{Canceller::Abort, TimeWaitEnded::Killed, Ended::Killed},
                    Kill{Canceller::Netns, TimeWaitEnded::Netns, Ended::Netns},
                    Kill{Canceller::Unknown, TimeWaitEnded::Unknown, Ended::Unknown}));

TEST_P(Killed, CancelWithoutStartIsTheEnd) {
  for (const State substate : {TimeWait, FinWait2}) {
    Story story;
    story.closes_first().hands_over(substate, 200ms);
    auto cancel = story.timer(TimerOp::Cancel, substate, 5s);
    cancel.canceller = GetParam().by;
    story.on(cancel).waits_and_all_is_gone(5010ms);
    EXPECT_TRUE(story.all<ConnectionRecord>().empty()) << "the end is pending";
    story.waits_and_all_is_gone(5400ms);
    EXPECT_EQ(story.connection().when.mono, kBegan + 5s) << "the time of the cancel";
    if (substate == TimeWait) {
      EXPECT_EQ(story.connection().time_wait_ended, GetParam().time_wait);
      EXPECT_EQ(story.connection().ended, Ended::Fin);
    } else {
      EXPECT_EQ(story.connection().ended, GetParam().orphan);
    }
  }
}

TEST(Minisock, CancelIsResolvedByTheNextEventOfItsCpu) {
  Story story;
  story.closes_first().hands_over(TimeWait, 200ms);
  story.on(story.timer(TimerOp::Cancel, TimeWait, 5s));
  story.on(story.moves(Closed, Listen, 5001ms, 9)).waits_and_all_is_gone(5060ms);
  EXPECT_EQ(story.connection().ended, Ended::Fin);
}

TEST(Minisock, ReusedAddressEndsThePreviousMinisock) {
  Story story;
  story.closes_first(1).hands_over(TimeWait, 200ms, 1);
  auto cancel = story.timer(TimerOp::Cancel, TimeWait, 3s, 1);
  cancel.canceller = Canceller::Connect;
  story.on(cancel);
  story.on(story.timer(TimerOp::Start, TimeWait, 3001ms, 2));  // same object, other cookie
  EXPECT_EQ(story.connection().time_wait_ended, TimeWaitEnded::Reused);
  EXPECT_EQ(story.connection().socket.cookie, 1U);
}

TEST(Minisock, TwoMinisocksAndASocketOfOneCookieAreThreeLives) {
  Story story;
  story.closes_first(1).hands_over(TimeWait, 200ms, 1);
  auto again = story.moves(Closed, SynSent, 300ms, 1);
  again.life = 1;
  story.on(again).on(story.moves(SynSent, Established, 301ms, 1));
  story.on(story.moves(Established, FinWait1, 400ms, 1));
  story.on(story.moves(FinWait1, FinWait2, 401ms, 1));
  story.on(story.timer(TimerOp::Start, TimeWait, 500ms, 1, 0xa000));
  story.on(story.moves(FinWait2, Closed, 500ms, 1));
  again.life = 2;
  again.at = kBegan + 600ms;
  story.on(again);
  EXPECT_EQ(story.lifecycle().open(), 3U);
  story.on(story.timer(TimerOp::Expire, TimeWait, 61s, 1, 0xa000));
  EXPECT_EQ(story.connection().socket.life, 1U);
  EXPECT_EQ(story.dwell(TimeWait).value, 60500ms);
}

TEST(Minisock, SelfTransitionDoesNotResetTheDwell) {
  Story story;
  story.closes_first();
  auto close = story.moves(FinWait2, FinWait2, 1102ms);
  close.task = make_process(77, "closer");
  story.on(close).hands_over(FinWait2, 1102ms);
  expires(story, FinWait2, 4171ms);
  EXPECT_EQ(story.path(), kNoTimeWait);
  EXPECT_EQ(story.dwell(FinWait2).value, 4069ms);
  EXPECT_EQ(story.connection().closer->process.pid, 77U);
}

TEST(Minisock, OlderThanTheTraceHasALowerBound) {
  Story story;
  auto cancel = story.timer(TimerOp::Cancel, TimeWait, 10s, 0);
  cancel.left_jiffies = -100;
  story.on(cancel);
  auto expire = story.timer(TimerOp::Expire, TimeWait, 10s, 0);
  expire.left_jiffies = -100;
  story.on(expire);
  EXPECT_EQ(story.path(), "TIME_WAIT CLOSED");
  EXPECT_EQ(story.dwell(TimeWait).value, 60400ms);
  EXPECT_EQ(story.dwell(TimeWait).error, std::nullopt);
  EXPECT_EQ(story.connection().opened_by, Side::Unknown);
}

TEST(Minisock, UnknownMinisockMayStillHaveTheTimerOfFinWait2) {
  Story story;
  auto cancel = story.timer(TimerOp::Cancel, TimeWait, 10s, 0);
  cancel.left_jiffies = 125;  // of one second: its FIN has just come
  story.on(cancel);
  auto start = story.timer(TimerOp::Start, TimeWait, 10s, 0);
  start.left_jiffies = 15000;
  story.on(start);
  auto expire = story.timer(TimerOp::Expire, TimeWait, 71s, 0);
  expire.left_jiffies = -250;
  story.on(expire);
  EXPECT_EQ(story.path(), "TIME_WAIT CLOSED");
  EXPECT_EQ(story.dwell(TimeWait).value, 61s) << "not 60 s before the end of its first timer";
  EXPECT_EQ(story.dwell(TimeWait).error, std::nullopt);
}

TEST(Minisock, OfSocketWithoutCookieGetsItsOriginFromTheLastTransition) {
  Story story;
  story.on(story.timer(TimerOp::Start, TimeWait, 5s, 0));
  story.on(story.moves(Closing, Closed, 5s, 33));  // the tracepoint assigned a cookie
  story.on(story.timer(TimerOp::Expire, TimeWait, 66s, 0));
  EXPECT_EQ(story.path(), "CLOSING TIME_WAIT CLOSED");
  EXPECT_EQ(story.dwell(TimeWait).value, 61s);
  EXPECT_EQ(story.dwell(Closing).error, std::nullopt);
  EXPECT_EQ(story.connection().closed_by, Side::Both);
}

TEST(Minisock, LostTransitionBeforeTheMinisockIsBridged) {
  Story story;
  story.connects().on(story.moves(Established, FinWait1, 101ms));
  story.hands_over(TimeWait, 201ms);  // FIN_WAIT_1 -> FIN_WAIT_2 was lost
  expires(story, TimeWait, 61s);
  EXPECT_EQ(story.path(), kActive);
  EXPECT_EQ(story.dwell(FinWait1).error, 50ms) << "between 0 and 100 ms";
  EXPECT_EQ(story.dwell(TimeWait).error, 0ns);
}

TEST(Minisock, StrayEventsAreIgnored) {
  Story story;
  story.on(story.timer(TimerOp::Segment, TimeWait, 1s));
  story.waits(10s).lifecycle().finish(kBegan + 10s);
  EXPECT_TRUE(story.records().empty());
}

}  // namespace
}  // namespace tcpdwell::test
