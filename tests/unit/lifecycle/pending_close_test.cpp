// SPDX-License-Identifier: Apache-2.0
// A full socket goes to CLOSE without a visible minisock: the kernel is asked before the end is
// published; if the minisock exists, it continues the same connection.
#include "support/pending_story.h"

namespace tcpdwell::life_story {
namespace {

TEST(PendingClose, IsResolvedIfTheKernelHasNoSocket) {
  Story story;
  hidden_minisock(story);
  const Question asked = question(story, kAsked);
  EXPECT_TRUE(asked.for_end);
  EXPECT_EQ(asked.cookie, 1U);
  story.waits(3s);
  EXPECT_FALSE(story.life(1).over()) << "not before the answer";
  answers(story, asked, 3s, gone());
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
  EXPECT_EQ(story.life(1).dwell(FinWait2), "1ms") << "the time of the CLOSE";
  EXPECT_EQ(story.lifecycle().corrected(), 0U);
  EXPECT_EQ(story.lifecycle().unseen(), 0U);
}

TEST(PendingClose, IsRetractedInFinWait2) {
  Story story;
  Conn conn = hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  EXPECT_EQ(story.life(1).states(), kUpToFinWait2);
  EXPECT_EQ(story.lifecycle().corrected(), 1U);
  EXPECT_EQ(story.lifecycle().unseen(), 1U);
  conn.segment(26s).minisock_expires(TimeWait, 87s);
  EXPECT_EQ(story.life(1).states(),
            std::string(kUpToFinWait2) + " 25899ms, TIME_WAIT 61000ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
  EXPECT_EQ(story.life(1).end().tally, kTally);
  expect_one_end(story, conn);
}

TEST(PendingClose, IsRetractedAndTimesOut) {
  Story story;
  Conn conn = hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  conn.minisock_expires(FinWait2, 60s);
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
  EXPECT_EQ(story.life(1).dwell(FinWait2), "59899ms");
  expect_one_end(story, conn);
}

TEST(PendingClose, UnseenFinIsDatedByTheExpiry) {
  Story story;
  Conn conn = hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  conn.minisock_expires(TimeWait, 70s, {.left = -500ms});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "9399ms+-4ms");
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60500ms+-4ms");
}

TEST(PendingClose, TimeWaitBeginsAtTheCloseIfTheFinWasUnread) {
  Story story;
  Conn conn = hidden_time_wait(story);
  is_answered(story, kAsked, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 61102ms);
  EXPECT_EQ(story.life(1).states(), std::string(kUpToFinWait2) + " 1ms, TIME_WAIT 61000ms, CLOSED");
  expect_one_end(story, conn);
}

TEST(PendingClose, TimeWaitBeginsBetweenCloseAndAnswer) {
  Story story;
  Conn conn = hidden_minisock(story);
  is_answered(story, 502ms, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 61302ms);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "201ms+-200ms") << "1 ms at least, 401 ms at most";
  EXPECT_EQ(story.life(1).dwell(TimeWait), "61000ms+-200ms");
}

TEST(PendingClose, OfSimultaneousCloseContinuesInTimeWait) {
  Story story;
  Conn conn = story.client(1)
                  .establishes(0ms)
                  .closes(Established, 100ms)
                  .moves(FinWait1, Closing, 101ms, orphan())
                  .moves(Closing, Closed, 200ms, orphan());
  is_answered(story, kAsked, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).dwell(Closing), "99ms");
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60800ms");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by both, expired");
}

TEST(PendingClose, IsResolvedIfTheKernelCouldNotBeAsked) {
  Story story;
  hidden_minisock(story);
  is_answered(story, kAsked, nobody_knows());
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
}

TEST(PendingClose, IsResolvedWithoutAnswer) {
  Story story;
  hidden_minisock(story);
  const Question asked = question(story, kAsked);
  story.waits(4s);
  EXPECT_FALSE(story.life(1).over());
  story.waits(kPatience);
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
  answers(story, asked, kPatience, minisock_in(FinWait2));
  EXPECT_EQ(ends(story), 1U);
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST(PendingClose, IsResolvedAtTheEndOfTheTrace) {
  Story story;
  hidden_minisock(story);
  (void)question(story, kAsked);
  story.finishes(600ms);
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
}

TEST(PendingClose, WithAReasonNeedsNoQuestion) {
  Story story;
  orphaned(story).moves(FinWait2, Closed, 102ms, orphan()).sends_reset(Closed, 102ms);
  story.client(2).establishes(0ms).moves(Established, Closed, 102ms, orphan(ECONNRESET));
  story.client(3)
      .establishes(0ms)
      .closes(Established, 100ms)
      .moves(FinWait1, Closed, 102ms, orphan());
  EXPECT_TRUE(questions(story, kAsked).empty());
  EXPECT_EQ(ends(story), 3U);
}

TEST(PendingClose, IsAskedAboutWithoutResetEvents) {
  Story story({.watches_resets = false});
  Conn conn = hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  conn.minisock_expires(FinWait2, 60s);
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
}

TEST(PendingClose, LateRstResolvesIt) {
  Story story;
  Conn conn = hidden_minisock(story);
  const Question asked = question(story, kAsked);
  conn.sends_reset(Closed, 510ms);
  EXPECT_EQ(story.life(1).verdict(), "reset_sent, opened by local, closed by local");
  answers(story, asked, 520ms, gone());
  EXPECT_EQ(ends(story), 1U);
}

// An event of the minisock shows it: before the question, or before the answer.
class MinisockShows : public testing::TestWithParam<bool> {
 protected:
  void ask(Story& story) {
    if (GetParam()) asked_ = question(story, kAsked);
  }
  void answer_if_asked(Story& story, Nanos at, const InquiryEvent& answer) {
    if (GetParam()) answers(story, asked_, at, answer);
  }
  Question asked_;
};
INSTANTIATE_TEST_SUITE_P(Asked, MinisockShows, testing::Bool());

TEST_P(MinisockShows, ByTheFin) {
  Story story;
  Conn conn = hidden_minisock(story);
  ask(story);
  conn.segment(510ms);
  answer_if_asked(story, 511ms, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "409ms");
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60490ms");
  EXPECT_EQ(story.lifecycle().corrected(), 1U);
  expect_one_end(story, conn);
}

TEST_P(MinisockShows, ByARestart) {
  Story story;
  Conn conn = hidden_time_wait(story);
  ask(story);
  conn.minisock_rearmed(510ms, {.left = 59s});
  answer_if_asked(story, 511ms, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 62s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "1ms");
  expect_one_end(story, conn);
}

TEST_P(MinisockShows, ByAStartWithoutACancel) {
  Story story;
  Conn conn = hidden_minisock(story);
  ask(story);
  conn.minisock_starts(TimeWait, 510ms);
  answer_if_asked(story, 511ms, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 62s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "409ms");
  expect_one_end(story, conn);
}

TEST_P(MinisockShows, ByItsExpiry) {
  Story story;
  Conn conn = hidden_minisock(story);
  ask(story);
  conn.minisock_expires(FinWait2, 510ms);
  answer_if_asked(story, 511ms, gone());
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
  EXPECT_EQ(story.life(1).dwell(FinWait2), "409ms");
  expect_one_end(story, conn);
}

TEST_P(MinisockShows, ByItsEnd) {
  Story story;
  Conn conn = hidden_minisock(story);
  ask(story);
  conn.minisock_cancelled(FinWait2, 510ms, {.canceller = Canceller::Abort});
  answer_if_asked(story, 511ms, gone());
  story.waits(2s);
  EXPECT_EQ(story.life(1).verdict(), "killed, opened by local, closed by local");
  expect_one_end(story, conn);
}

TEST_P(MinisockShows, InAWalk) {
  Story story;
  Conn conn = hidden_minisock(story);
  ask(story);
  story.lifecycle().snapshot_begins();
  conn.minisock_found(TimeWait, 510ms, {.left = 59900ms});
  story.lifecycle().snapshot_ended();
  answer_if_asked(story, 511ms, minisock_in(TimeWait));
  EXPECT_TRUE(story.lifecycle().take_questions().empty());
  EXPECT_EQ(story.lifecycle().open(), 1U);
  conn.minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "309ms+-4ms") << "from its timer";
  expect_one_end(story, conn);
}

// --- the CLOSE was hidden, too ---

TEST(HiddenClose, OfOrphanIsNotASecondConnection) {
  Story story;
  Conn conn = orphaned(story).segment(26s).minisock_expires(TimeWait, 87s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "25899ms");
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
  EXPECT_EQ(story.lifecycle().open(), 0U);
  EXPECT_EQ(story.lifecycle().unseen(), 1U);
  expect_one_end(story, conn);
}

TEST(HiddenClose, WithHiddenTransitionIsOneGap) {
  Story story;
  Conn conn = story.client(1).establishes(0ms).closes(Established, 100ms).segment(1100ms);
  conn.minisock_expires(TimeWait, 62s);
  EXPECT_EQ(story.life(1).dwell(FinWait1), "500ms+-500ms") << "at most until the FIN";
  EXPECT_EQ(story.life(1).dwell(FinWait2), "500ms+-500ms");
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60900ms");
  expect_one_end(story, conn);
}

TEST(HiddenClose, OfSimultaneousCloseIsFoundInTimeWait) {
  Story story;
  Conn conn = story.client(1)
                  .establishes(0ms)
                  .closes(Established, 100ms)
                  .moves(FinWait1, Closing, 101ms, orphan())
                  .minisock_expires(TimeWait, 60501ms);
  EXPECT_EQ(story.life(1).dwell(Closing), "30200ms+-30200ms");
  expect_one_end(story, conn);
}

TEST(PendingClose, IsFoundByAWalkAfterTheAnswer) {
  Story story;
  Conn conn = hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  story.lifecycle().snapshot_begins();
  conn.minisock_found(FinWait2, 1s);
  story.lifecycle().snapshot_ended();
  EXPECT_TRUE(story.lifecycle().take_questions().empty());
  EXPECT_EQ(story.lifecycle().open(), 1U);
  conn.minisock_expires(FinWait2, 60s);
  expect_one_end(story, conn);
}

TEST(PendingClose, IsAskedAboutAgainIfNoWalkFindsIt) {
  Story story;
  hidden_minisock(story);
  InquiryEvent found = minisock_in(FinWait2);
  found.cookie = 1;
  is_answered(story, kAsked, found);
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  const auto asked = story.lifecycle().take_questions();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].cookie, 1U);
  answers(story, asked[0], 1s, gone());
  EXPECT_EQ(ends(story), 1U);
}

TEST(PendingClose, IsRetractedAlthoughTheCookieHasANewLife) {
  Story story;
  Conn conn = hidden_time_wait(story);
  is_answered(story, kAsked, minisock_in(TimeWait));
  Conn again = story.client(1).local_port(41999).minisock_at(0x9999);
  again.connects(1s, {.pid = kPid, .life = 1}).moves(SynSent, Established, 1010ms, {.life = 1});
  conn.minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60898ms");
  EXPECT_EQ(story.lifecycle().open(), 1U) << "the second life";
}

TEST(PendingClose, IsResolvedIfAnotherSocketHasItsAddresses) {
  Story story;
  hidden_minisock(story);
  const Question asked = question(story, kAsked);
  story.client(2).local_port(40001).connects(510ms).moves(SynSent, Established, 520ms);
  InquiryEvent other = still_in(Established);
  other.cookie = 2;
  answers(story, asked, 530ms, other);
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(PendingClose, IsResolvedIfAnotherMinisockHasItsAddresses) {
  Story story;
  hidden_minisock(story);
  const Question asked = question(story, kAsked);
  InquiryEvent other = minisock_in(TimeWait);
  other.cookie = 2;
  answers(story, asked, 530ms, other);
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
}

// The tracepoint assigned the cookie after the minisock was created.
TEST(PendingClose, WithoutCookieIsAskedAboutByAddresses) {
  Story story;
  Conn conn = story.client(1).minisock_cookie(0).moves(FinWait2, Closed, 102ms, orphan());
  const Question asked = question(story, kAsked);
  EXPECT_EQ(asked.cookie, 0U);
  InquiryEvent answer = minisock_in(FinWait2);
  answer.cookie = 77;  // the question assigned a cookie
  answers(story, asked, kAsked, answer);
  EXPECT_FALSE(story.life(1).over());
  conn.minisock_cookie(77).minisock_expires(FinWait2, 60s);
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by unknown, closed by local");
  EXPECT_EQ(ends(story), 1U);
}

TEST(PendingClose, IsNotRetractedByAnotherConnectionAtItsAddresses) {
  Story story;
  story.client(1).minisock_cookie(0).moves(FinWait2, Closed, 102ms, orphan());
  const Question asked = question(story, kAsked);
  story.client(77).found(CloseWait, 450ms);
  InquiryEvent answer = minisock_in(FinWait2);
  answer.cookie = 77;
  answers(story, asked, kAsked, answer);
  EXPECT_TRUE(story.life(1).over());
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(PendingClose, AfterALossIsUnknownIfGone) {
  Story story;
  hidden_minisock(story);
  story.loses(1, 110ms);
  is_answered(story, kAsked, gone());
  EXPECT_EQ(story.life(1).verdict(), "unknown, opened by local, closed by local");
}

TEST(PendingClose, AfterALossIsRetractedAndNotCountedAsUnseen) {
  Story story;
  Conn conn = hidden_minisock(story);
  story.loses(1, 110ms);
  is_answered(story, kAsked, minisock_in(FinWait2));
  EXPECT_EQ(story.lifecycle().corrected(), 1U);
  EXPECT_EQ(story.lifecycle().unseen(), 0U) << "counted as lost";
  conn.minisock_expires(FinWait2, 60s);
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
}

TEST(PendingClose, IsFlaggedWhenItsMinisockStays) {
  Story story(flagging(FinWait2, 5s));
  hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  is_answered(story, 6s, minisock_in(FinWait2));
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 5899ms");
}

}  // namespace
}  // namespace tcpdwell::life_story
