// SPDX-License-Identifier: Apache-2.0
// Lost events, evictions from a full table, and the end of the trace. A gap becomes an error; a
// result that depends on a missing event becomes unknown.
#include <cerrno>

#include "support/conn.h"

namespace tcpdwell::life_story {
namespace {

Conn in_fin_wait_2(Story& story) {
  return story.client(1)
      .establishes(0ms)
      .closes(Established, 10ms)
      .moves(FinWait1, FinWait2, 20ms, orphan());
}

TEST(Loss, IsPublishedInOrder) {
  Story story;
  story.loses(3, 1s);
  ASSERT_EQ(story.records().size(), 1U);
  const auto& lost = std::get<LostRecord>(story.records().front());
  EXPECT_EQ(lost.events, 3U);
  EXPECT_EQ(lost.transitions, 3U);
}

TEST(Loss, OfTransitionIsAnErrorOfBothDwells) {
  Story story;
  story.client(1).establishes(0ms).closes(CloseWait, 200ms).moves(LastAck, Closed, 210ms, orphan());
  EXPECT_EQ(story.life(1).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 100ms+-100ms, CLOSE_WAIT 100ms+-100ms, "
            "LAST_ACK 10ms, CLOSED");
  EXPECT_EQ(story.life(1).why(CloseWait), "") << "the transition was lost";
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by remote");
}

TEST(Loss, OfTransitionIsFoundByASelfTransition) {
  Story story;  // shutdown() was lost, close() is seen: FIN_WAIT_2 began before it
  story.client(1)
      .establishes(0ms)
      .moves(FinWait2, FinWait2, 100ms, closed_by())
      .hands_over(FinWait2, TimeWait, 500ms);
  EXPECT_EQ(story.life(1).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 50ms+-50ms, FIN_WAIT_2 450ms+-50ms, TIME_WAIT");
}

TEST(Loss, OfMinisockStartLeavesTheEndUnknown) {
  Story story;
  in_fin_wait_2(story).moves(FinWait2, Closed, 30ms, orphan());
  story.loses(1, 40ms);
  story.waits_and_all_is_gone(1s);
  EXPECT_EQ(story.life(1).verdict(), "unknown, opened by local, closed by local")
      << "not an overflow";
}

TEST(Loss, OfRstLeavesItsSenderUnknown) {
  Story story;
  story.client(1).establishes(0ms).moves(Established, Closed, 30ms, {.err = ECONNRESET});
  story.loses(1, 40ms);
  story.waits(1s);
  EXPECT_EQ(story.life(1).verdict(), "unknown, opened by local, closed by unknown");
}

TEST(Loss, LongAgoDoesNotMatter) {
  Story story;
  story.loses(1, -10s);
  story.client(1).establishes(0ms).moves(Established, Closed, 30ms, {.err = ECONNRESET});
  story.waits(1s);
  EXPECT_EQ(story.life(1).verdict(), "reset_received, opened by local, closed by remote");
}

TEST(Loss, DoesNotAffectSeenEvents) {
  Story story;
  story.client(1)
      .establishes(0ms)
      .moves(Established, Closed, 30ms, {.err = ECONNRESET})
      .sends_reset(Closed, 30ms);
  story.loses(1, 30ms);
  EXPECT_EQ(story.life(1).verdict(), "reset_sent, opened by local, closed by local");
}

TEST(Loss, OfRearmIsNotReportedAsRst) {
  Story story;
  in_fin_wait_2(story)
      .hands_over(FinWait2, TimeWait, 30ms)
      .minisock_cancelled(TimeWait, 10s, {.left = 50s, .canceller = Canceller::Segment});
  story.loses(1, 10010ms);
  story.waits_and_all_is_gone(11s);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, unknown");
}

TEST(Loss, DoesNotChangeTheKiller) {
  Story story;
  in_fin_wait_2(story)
      .hands_over(FinWait2, TimeWait, 30ms)
      .minisock_cancelled(TimeWait, 10s, {.left = 50s, .canceller = Canceller::Connect});
  story.loses(1, 10010ms);
  story.waits(11s);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, reused");
}

TEST(Loss, OfChildIsNotReportedAsRst) {
  Story story;
  story.server(1).request_starts(0ms).request_cancelled(100ms);
  story.loses(2, 110ms);
  story.waits_and_all_is_gone(1s);
  EXPECT_EQ(story.life_from(50001).verdict(), "unknown, opened by remote, closed by unknown");
}

TEST(Loss, OfRetransmitIsNotReportedAsTimeout) {
  Story story;
  story.server(1).request_starts(0ms).request_expires(1s);
  story.loses(1, 1010ms);
  story.waits_and_all_is_gone(2s);
  EXPECT_EQ(story.life_from(50001).verdict(), "unknown, opened by remote, closed by unknown");
}

TEST(Loss, OfEndIsFoundByTheNextLifeOfTheCookie) {
  Story story;
  Conn conn = story.client(1).establishes(0ms);
  conn.connects(10s, {.pid = kPid, .life = 1});
  EXPECT_EQ(story.life(1, 0).states(), "CLOSED, SYN_SENT 10ms, ESTABLISHED 5000ms+-5000ms, CLOSED");
  EXPECT_EQ(story.life(1, 0).verdict(), "unknown, opened by local, closed by unknown");
}

TEST(Loss, BoundsTheAgeOfUnknownConnections) {
  Story story;
  story.loses(100, 7s);
  story.client(1).closes(Established, 10s);
  EXPECT_EQ(story.life(1).states(), "ESTABLISHED >=3000ms, FIN_WAIT_1")
      << "it may have been established just after the last event was lost";
}

TEST(Eviction, RemovesTheConnectionWithoutRecentEvents) {
  Story story({.max_connections = 2});
  for (std::uint64_t cookie : {1, 2, 3}) story.client(cookie).establishes(1s * cookie);
  EXPECT_EQ(story.lifecycle().open(), 2U);
  EXPECT_EQ(story.lifecycle().evicted(), 1U);
  EXPECT_EQ(story.lifecycle().connections_ended(), 0U) << "it did not end";
  story.client(1).closes(Established, 10s);
  EXPECT_EQ(story.life(1).transitions().back().dwell.value_or(Dwell{}).error, std::nullopt)
      << "a lower bound: its begin was evicted";
}

TEST(Eviction, OfPendingEndResolvesNothing) {
  Story story({.max_connections = 1});
  in_fin_wait_2(story)
      .hands_over(FinWait2, TimeWait, 30ms)
      .minisock_cancelled(TimeWait, 1s, {.canceller = Canceller::Abort});
  story.client(2).establishes(1001ms);  // in the same slot
  story.waits(5s);
  story.finishes(6s);
  EXPECT_FALSE(story.life(1).over());
  EXPECT_EQ(story.life(2).states(), "CLOSED, SYN_SENT 10ms, ESTABLISHED");
}

TEST(Finish, PublishesRecordsHeldForAPort) {
  Story story;
  story.client(1).connects(0ms);
  EXPECT_TRUE(story.records().empty());
  story.finishes(1s);
  EXPECT_EQ(story.life(1).states(), "CLOSED, SYN_SENT");
  EXPECT_EQ(story.life(1).last_socket().flow.local.port, 0);
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(Finish, PublishesNoNewbornOrRequest) {
  Story story;
  story.server(1).born(0ms);
  story.server(2).request_starts(0ms);
  story.finishes(1s);
  EXPECT_TRUE(story.records().empty());
  EXPECT_EQ(story.lifecycle().connections_ended(), 0U);
}

TEST(Finish, DoesNotEndOpenConnections) {
  Story story;
  in_fin_wait_2(story).hands_over(FinWait2, FinWait2, 20ms);
  story.finishes(5s);
  EXPECT_FALSE(story.life(1).over());
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

}  // namespace
}  // namespace tcpdwell::life_story
