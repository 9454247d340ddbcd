// SPDX-License-Identifier: Apache-2.0
// Minisocks found by a walk: the begin of their state from timer and stamp. The
// stamp is 32 bits of milliseconds since boot; at HZ=250 a jiffy is 4 ms.
#include "support/flag_story.h"

namespace tcpdwell::life_story {
namespace {

constexpr Nanos kStampWraps{std::int64_t{1'000'000} << 32U};  // 49.7 days after boot

// Found at 0 s, expired at 50 s: the dwell of its state.
std::string dwell_in(State substate, Found facts, std::optional<Nanos> stamped = std::nullopt,
                     Nanos began = kBegan) {
  Story story({}, {}, began);
  if (stamped) facts.stamp_ms = story.stamp(*stamped);
  story.client(1).minisock_found(substate, 0ms, facts).minisock_expires(substate, 50s);
  return story.life(1).dwell(substate);
}

TEST(SnapshotOfMinisock, TimeWaitBeginsAtItsStamp) {
  EXPECT_EQ(dwell_in(TimeWait, {.left = 50s, .timestamps = true}, -10s), "60000ms+-1ms");
  EXPECT_EQ(dwell_in(TimeWait, {.left = 59s, .timestamps = true}, -10s), "60000ms+-1ms")
      << "a later segment restarted the timer and kept the stamp";
}

TEST(SnapshotOfMinisock, TimeWaitWithoutTimestampsBeginsAtItsStampIfTheTimerAgrees) {
  EXPECT_EQ(dwell_in(TimeWait, {.left = 50s}, -10s), "60000ms+-1ms");
  EXPECT_EQ(dwell_in(TimeWait, {.left = 50s}, -10s - 8ms), "60008ms+-1ms") << "two ticks";
  EXPECT_EQ(dwell_in(TimeWait, {.left = 50s}, -12s), ">=59996ms")
      << "the stamp is from FIN_WAIT_2, or the timer was restarted";
}

TEST(SnapshotOfMinisock, TimeWaitWithoutAStampIsAsOldAsItsTimer) {
  EXPECT_EQ(dwell_in(TimeWait, {.left = 50s}), ">=59996ms") << "armed 10 s ago, to a tick";
  EXPECT_EQ(dwell_in(TimeWait, {.left = 60s}), ">=50000ms") << "not later than the walk";
  EXPECT_EQ(dwell_in(TimeWait, {.left = -1s}), ">=110996ms") << "overdue: the wheel is coarse";
}

TEST(SnapshotOfMinisock, FinWait2IsALowerBound) {
  EXPECT_EQ(dwell_in(FinWait2, {.left = 50s}), ">=50000ms") << "its time-out is not known";
  EXPECT_EQ(dwell_in(FinWait2, {.left = 50s}, -10s), ">=60000ms")
      << "FIN_WAIT_2 began before the minisock";
}

TEST(SnapshotOfMinisock, StampsWrap) {
  for (const Nanos began : {kStampWraps + 5s, kStampWraps * 3 + 5s}) {
    EXPECT_EQ(dwell_in(TimeWait, {.left = 50s, .timestamps = true}, -10s, began), "60000ms+-1ms");
    EXPECT_EQ(dwell_in(FinWait2, {.left = 50s}, -10s, began), ">=60000ms");
  }
  EXPECT_EQ(dwell_in(TimeWait, {.left = 50s, .timestamps = true}, -10s, kStampWraps - 1ms),
            "60000ms+-1ms");
}

TEST(SnapshotOfMinisock, IsNotOlderThanTheBoot) {
  EXPECT_EQ(dwell_in(TimeWait, {.left = 1s}, std::nullopt, 30s), ">=80000ms");
}

TEST(SnapshotOfMinisock, OrphanWasClosedLocally) {
  Story story;
  story.client(1).minisock_found(FinWait2, 0ms).minisock_expires(FinWait2, 50s);
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by unknown, closed by local");
  story.client(2).minisock_found(TimeWait, 0ms).minisock_expires(TimeWait, 50s);
  EXPECT_EQ(story.life(2).verdict(), "fin, opened by unknown, closed by unknown, expired");
}

TEST(SnapshotOfMinisock, EntersTimeWaitAtItsFin) {
  Story story;
  story.client(1).minisock_found(FinWait2, 0ms).segment(5s).minisock_expires(TimeWait, 66s);
  EXPECT_EQ(story.life(1).states(), "FIN_WAIT_2 >=5000ms, TIME_WAIT 61000ms, CLOSED");
}

TEST(SnapshotOfMinisock, OfKnownMinisockChangesNothing) {
  Story story;
  Conn client = story.client(1).establishes(0ms).closes(Established, 10ms);
  client.moves(FinWait1, FinWait2, 20ms).hands_over(FinWait2, TimeWait, 30ms);
  const std::size_t said = story.records().size();
  client.minisock_found(TimeWait, 10s, {.left = 59s, .stamp_ms = 5});
  EXPECT_EQ(story.records().size(), said);
  EXPECT_EQ(story.lifecycle().open(), 1U);
  client.minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60970ms");
}

TEST(SnapshotOfMinisock, ShowsAnUnseenFin) {
  Story story;
  Conn client = story.client(1).establishes(0ms).closes(Established, 10ms);
  client.moves(FinWait1, FinWait2, 20ms, orphan()).hands_over(FinWait2, FinWait2, 20ms);
  client.minisock_found(TimeWait, 10s, {.left = 52s});
  EXPECT_EQ(story.life(1).transitions().back().to, TimeWait);
  EXPECT_EQ(text(*story.life(1).transitions().back().dwell), "1980ms+-4ms");
}

TEST(SnapshotOfMinisock, WithLostStartContinuesItsSocket) {
  Story story;
  Conn client = story.client(1).establishes(0ms).closes(Established, 10ms);
  client.moves(FinWait1, FinWait2, 20ms);
  client.minisock_found(TimeWait, 1020ms, {.left = 59s}).minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 10ms, FIN_WAIT_1 10ms, FIN_WAIT_2 500ms+-500ms, "
            "TIME_WAIT 60480ms+-500ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
}

TEST(SnapshotOfMinisock, WithLostStartContinuesTheSameFinWait2) {
  Story story;
  Conn client = story.client(1).establishes(0ms).closes(Established, 10ms);
  client.moves(FinWait1, FinWait2, 20ms, orphan());
  client.minisock_found(FinWait2, 1020ms, {.left = 59s}).minisock_expires(FinWait2, 61'020ms);
  EXPECT_EQ(story.life(1).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 10ms, FIN_WAIT_1 10ms, FIN_WAIT_2 61000ms, CLOSED");
}

TEST(SnapshotOfMinisock, AtAReusedAddressEndsThePrevious) {
  Story story;
  story.client(1).minisock_at(0x99).minisock_found(TimeWait, 0ms, {.left = 1s});
  story.client(2).minisock_at(0x99).minisock_found(TimeWait, 2s);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by unknown, closed by unknown, unknown");
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(SnapshotOfMinisock, WithoutACookieIsFoundAgainByItsAddress) {
  Story story;
  Conn client = story.client(1).minisock_cookie(0);
  client.minisock_found(TimeWait, 0ms, {.left = 50s}).minisock_found(TimeWait, 1s, {.left = 49s});
  EXPECT_EQ(story.lifecycle().open(), 1U);
  client.minisock_expires(TimeWait, 50s);
  EXPECT_EQ(story.life_from(client.flow().remote.port).dwell(TimeWait), ">=59996ms");
}

TEST(SnapshotOfMinisock, HasTheThresholdOfAnOrphan) {
  Story story(flagging_by_default());
  Story explicit_one(flagging(FinWait2, 5s));
  for (Story* each : {&story, &explicit_one}) each->client(1).minisock_found(FinWait2, 0ms);
  EXPECT_TRUE(questions(story, 64'990ms).empty());
  EXPECT_EQ(questions(story, 65'010ms).size(), 1U);
  EXPECT_EQ(questions(explicit_one, 5010ms).size(), 1U);
}

}  // namespace
}  // namespace tcpdwell::life_story
