// SPDX-License-Identifier: Apache-2.0
// The timer of a minisock or a request is cancelled, and the next event is hidden: the kernel is
// asked before the end is published. The number of questions is bounded.
#include "support/pending_story.h"

namespace tcpdwell::life_story {
namespace {

// --- a cancelled minisock timer with a hidden restart --------------------------------------------

TEST(PendingCancel, IsResolvedIfTheKernelHasNoSocket) {
  for (const auto& [canceller, how] :
       {std::pair(Canceller::Segment, "reset"), std::pair(Canceller::Unknown, "unknown")}) {
    Story story;
    hidden_restart(story, TimeWait, canceller);
    EXPECT_TRUE(questions(story, 20010ms).empty()) << "it may be a re-arm";
    const Question asked = question(story, 21s);
    EXPECT_FALSE(story.life(1).over());
    answers(story, asked, 22s, gone());
    EXPECT_EQ(story.life(1).verdict(),
              "fin, opened by local, closed by local, " + std::string(how));
    EXPECT_EQ(story.life(1).dwell(TimeWait), "19898ms") << "the time of the cancel";
    EXPECT_EQ(story.lifecycle().corrected(), 0U);
  }
}

TEST(PendingCancel, OfRestartIsRetracted) {
  Story story;
  Conn conn = hidden_restart(story);
  is_answered(story, 21s, minisock_in(TimeWait));
  story.waits(30s);
  EXPECT_FALSE(story.life(1).over());
  EXPECT_EQ(story.lifecycle().corrected(), 1U);
  EXPECT_EQ(story.lifecycle().unseen(), 1U);
  conn.minisock_expires(TimeWait, 81s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "80898ms");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
}

TEST(PendingCancel, OfRestartByTheFinIsTheFin) {
  Story story;
  Conn conn = hidden_restart(story, FinWait2);
  is_answered(story, 21s, minisock_in(TimeWait));
  EXPECT_EQ(story.life(1).states(), std::string(kUpToFinWait2) + " 19899ms, TIME_WAIT");
  conn.minisock_expires(TimeWait, 81s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "61000ms");
}

TEST(PendingCancel, BeforeAnotherCancelWasARestart) {
  Story story;
  Conn conn = hidden_restart(story, FinWait2);
  conn.minisock_cancelled(TimeWait, 20010ms, {.canceller = Canceller::Abort});
  story.waits(21s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "19899ms") << "the first cancel was the FIN";
  EXPECT_EQ(story.life(1).dwell(TimeWait), "10ms");
}

TEST(PendingCancel, IsRetractedByALaterSegment) {
  Story story;
  Conn conn = orphaned(story).hands_over(FinWait2, FinWait2, 102ms);
  conn.minisock_cancelled(FinWait2, 20s, {.left = 40s, .canceller = Canceller::Segment});
  const Question asked = question(story, 21s);
  conn.segment(22s);
  answers(story, asked, 22500ms, gone());
  story.waits(40s);
  EXPECT_FALSE(story.life(1).over()) << "the answer is about FIN_WAIT_2";
  EXPECT_EQ(story.lifecycle().corrected(), 1U);
  conn.minisock_expires(TimeWait, 83s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "61000ms");
  EXPECT_EQ(ends(story), 1U);
}

TEST(PendingCancel, IsNotRetractedByASegmentOfTheSameCall) {
  Story story;
  Conn conn = hidden_restart(story);
  conn.segment(20s + 5us);
  is_answered(story, 21s, gone());
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, reset");
}

TEST(PendingCancel, IsRetractedByALateStart) {
  Story story;
  Conn conn = hidden_restart(story);
  const Question asked = question(story, 21s);
  conn.minisock_starts(TimeWait, 20s);
  answers(story, asked, 21100ms, minisock_in(TimeWait));
  EXPECT_EQ(story.lifecycle().corrected(), 0U) << "nothing was hidden";
  conn.minisock_expires(TimeWait, 81s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "80898ms");
}

TEST(PendingCancel, IsRetractedByTheExpiry) {
  Story story;
  Conn conn = hidden_restart(story);
  const Question asked = question(story, 21s);
  conn.minisock(TimerOp::Expire, TimeWait, 21s, {.left = 0s});
  answers(story, asked, 21100ms, gone());
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
  EXPECT_EQ(ends(story), 1U);
}

TEST(PendingCancel, IsRetractedByAWalk) {
  Story story;
  Conn conn = hidden_restart(story);
  const Question asked = question(story, 21s);
  story.lifecycle().snapshot_begins();
  conn.minisock_found(TimeWait, 21s, {.left = 59s});
  story.lifecycle().snapshot_ended();
  answers(story, asked, 21100ms, minisock_in(TimeWait));
  EXPECT_EQ(story.lifecycle().corrected(), 1U);
  conn.minisock_expires(TimeWait, 81s);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
}

TEST(PendingCancel, IsResolvedIfAnotherMinisockHasItsAddress) {
  Story story;
  Conn conn = hidden_restart(story);
  const Question asked = question(story, 21s);
  orphaned(story, 2).minisock_at(conn.minisock_address()).hands_over(FinWait2, TimeWait, 21s);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, reset");
  answers(story, asked, 21100ms, minisock_in(TimeWait));
  EXPECT_FALSE(story.life(2).over());
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(PendingCancel, OfCertainKillNeedsNoQuestion) {
  for (const Canceller canceller :
       {Canceller::Receive, Canceller::Connect, Canceller::Abort, Canceller::Netns}) {
    Story story;
    hidden_restart(story, TimeWait, canceller);
    EXPECT_TRUE(questions(story, 21s).empty());
    EXPECT_TRUE(story.life(1).over());
  }
}

TEST(PendingCancel, IsResolvedWithoutAnswerAndAtTheEnd) {
  for (const bool waits : {false, true}) {
    Story story;
    hidden_restart(story);
    (void)question(story, 21s);
    if (waits)
      story.waits(21s + kPatience);
    else
      story.finishes(22s);
    EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, reset");
  }
}

// --- a request with a hidden child or restart ----------------------------------------------------

TEST(PendingRequest, IsResolvedIfTheKernelHasNoSocket) {
  Story story;
  story.server(1).request_starts(0ms).request_cancelled(100ms);
  const Question asked = question(story, kAsked);
  EXPECT_FALSE(story.life_from(50001).over());
  answers(story, asked, kAsked, gone());
  EXPECT_EQ(story.life_from(50001).verdict(), "reset_received, opened by remote, closed by remote");
}

TEST(PendingRequest, IsResolvedIfItsChildIsKnown) {
  Story story;
  story.server(1).request_starts(0ms).request_cancelled(100ms);
  const Question asked = question(story, kAsked);
  story.client(7).establishes(450ms);
  InquiryEvent child = still_in(Established);
  child.cookie = 7;
  answers(story, asked, kAsked, child);
  EXPECT_TRUE(story.life_from(50001).over());
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(PendingRequest, ContinuesAsItsUnseenChild) {
  Story story;
  Conn conn = story.server(1).request_starts(0ms).request_cancelled(100ms);
  InquiryEvent child = still_in(Established);
  child.cookie = 1;
  is_answered(story, 400ms, child);
  conn.moves(Established, CloseWait, 1s);
  EXPECT_EQ(story.life(1).states(),
            "LISTEN, SYN_RECEIVED 200ms+-200ms, ESTABLISHED 800ms+-200ms, CLOSE_WAIT");
  EXPECT_EQ(story.lifecycle().open(), 1U);
  EXPECT_EQ(story.lifecycle().corrected(), 1U);
}

TEST(PendingRequest, IsRetractedIfTheKernelHasIt) {
  Story story;
  Conn conn = story.server(1).request_starts(0ms).request_expires(1s);
  InquiryEvent request = still_in(SynReceived);
  request.kind = SocketKind::Request;
  request.attached = false;
  is_answered(story, 1500ms, request);
  conn.request_cancelled(3s, {.canceller = Canceller::Abort});
  story.waits(4s);
  EXPECT_EQ(story.life_from(50001).dwell(SynReceived), "3000ms");
  EXPECT_EQ(ends(story), 1U);
}

TEST(PendingRequest, IsRetractedByAWalk) {
  Story story;
  Conn conn = story.server(1).request_starts(0ms).request_expires(1s);
  const Question asked = question(story, 1500ms);
  story.lifecycle().snapshot_begins();
  conn.request_found(1510ms, 0ms);
  story.lifecycle().snapshot_ended();
  answers(story, asked, 1520ms, gone());
  EXPECT_EQ(ends(story), 1U) << "it ended later, unseen";
}

// --- bounded questions ---------------------------------------------------------------------------

TEST(PendingEndBound, ExcessEndsAreResolvedAtOnce) {
  Story story;
  for (std::uint64_t cookie = 1; cookie <= 1000; ++cookie) hidden_minisock(story, cookie);
  const auto asked = questions(story, kAsked);
  EXPECT_EQ(asked.size(), 200U);
  EXPECT_EQ(ends(story), 800U);
  for (const Question& question : asked) answers(story, question, kAsked, gone());
  EXPECT_EQ(ends(story), 1000U);
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST(PendingEndBound, LimitsQuestionsPerSecond) {
  Story story;
  std::size_t asked = 0;
  for (int i = 0; i < 100; ++i) {
    for (std::uint64_t k = 1; k <= 50; ++k) {
      const std::uint64_t cookie = static_cast<std::uint64_t>(i) * 50 + k;
      story.client(cookie).moves(FinWait2, Closed, i * 100ms, orphan());
    }
    asked += questions(story, (i + 1) * 100ms).size();
  }
  EXPECT_GE(asked, 1900U);
  EXPECT_LE(asked, 2200U) << "200 at once, and 200 a second for 10 s";
}

}  // namespace
}  // namespace tcpdwell::life_story
