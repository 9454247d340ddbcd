// SPDX-License-Identifier: Apache-2.0
// Ends that rest on an event that did not come: some kernels hide events. The kernel is asked
// before such an end is told, and what is still there goes on as the same connection.
#include "flag_story.h"

namespace tcpdwell::life_story {
namespace {

constexpr const char* kUpToFinWait2 =
    "CLOSED, SYN_SENT 10ms, ESTABLISHED 100ms, FIN_WAIT_1 1ms, FIN_WAIT_2";
constexpr Nanos kAsked = 500ms;   // the doubt is over by then
constexpr Nanos kPatience = 10s;  // nobody waits longer for an answer

// In FIN_WAIT_2 since 101 ms; its process has closed it.
Conn orphaned(Story& story, std::uint64_t cookie = 1) {
  return story.client(cookie)
      .establishes(0ms)
      .closes(Established, 100ms)
      .moves(FinWait1, FinWait2, 101ms, orphan());
}
constexpr Tally kTally{.bytes_sent = 11, .bytes_received = 22};
// ... and its minisock begins at 102 ms, which is hidden.
Conn hidden_minisock(Story& story, std::uint64_t cookie = 1) {
  Facts facts = orphan();
  facts.tally = kTally;
  return orphaned(story, cookie).moves(FinWait2, Closed, 102ms, facts);
}
// ... with the FIN, which is still in its receive queue
Conn hidden_time_wait(Story& story) {
  Facts facts = orphan();
  facts.receive_queue = 1;
  return orphaned(story).moves(FinWait2, Closed, 102ms, facts);
}
// Its minisock's timer was restarted at 20 s, which is hidden.
Conn hidden_restart(Story& story, State substate = TimeWait,
                    Canceller canceller = Canceller::Segment) {
  return orphaned(story)
      .hands_over(FinWait2, substate, 102ms)
      .minisock_cancelled(TimeWait, 20s, {.left = 40s, .canceller = canceller});
}

std::uint64_t ends(const Story& story) {
  return static_cast<std::uint64_t>(std::count_if(
      story.records().begin(), story.records().end(),
      [](const Record& record) { return std::holds_alternative<ConnectionRecord>(record); }));
}
void expect_one_end(const Story& story, Conn& conn) {
  EXPECT_EQ(ends(story), 1U);
  EXPECT_EQ(story.life(conn.cookie()).end().socket.flow, conn.flow());
}

// --- a full socket that went to CLOSE, and its minisock was not seen to begin -------------------

TEST(DoubtedClose, IsToldWhenTheKernelSaysThatItIsGone) {
  Story story;
  hidden_minisock(story);
  const Question asked = question(story, kAsked);
  EXPECT_TRUE(asked.for_end);
  EXPECT_EQ(asked.cookie, 1U);
  story.waits(3s);
  EXPECT_FALSE(story.life(1).over()) << "not before the answer";
  answers(story, asked, 3s, gone());
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
  EXPECT_EQ(story.life(1).dwell(FinWait2), "1ms") << "dated back";
  EXPECT_EQ(story.lifecycle().corrected(), 0U);
  EXPECT_EQ(story.lifecycle().unseen(), 0U);
}

TEST(DoubtedClose, GoesOnInFinWait2) {
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

TEST(DoubtedClose, GoesOnAndTimesOut) {
  Story story;
  Conn conn = hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  conn.minisock_expires(FinWait2, 60s);
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
  EXPECT_EQ(story.life(1).dwell(FinWait2), "59899ms");
  expect_one_end(story, conn);
}

TEST(DoubtedClose, ItsFinThatNobodySawIsDatedByTheExpiry) {
  Story story;
  Conn conn = hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  conn.minisock_expires(TimeWait, 70s, {.left = -500ms});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "9399ms+-4ms");
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60500ms+-4ms");
}

TEST(DoubtedClose, TimeWaitBeganWithTheFinThatWasUnread) {
  Story story;
  Conn conn = hidden_time_wait(story);
  is_answered(story, kAsked, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 61102ms);
  EXPECT_EQ(story.life(1).states(), std::string(kUpToFinWait2) + " 1ms, TIME_WAIT 61000ms, CLOSED");
  expect_one_end(story, conn);
}

TEST(DoubtedClose, TimeWaitBeganSomeTimeBeforeTheAnswer) {
  Story story;
  Conn conn = hidden_minisock(story);
  is_answered(story, 502ms, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 61302ms);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "201ms+-200ms") << "1 ms at least, 401 ms at most";
  EXPECT_EQ(story.life(1).dwell(TimeWait), "61000ms+-200ms");
}

TEST(DoubtedClose, OfASimultaneousCloseGoesOnInTimeWait) {
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

TEST(DoubtedClose, IsToldWhenNobodyKnows) {
  Story story;
  hidden_minisock(story);
  is_answered(story, kAsked, nobody_knows());
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
}

TEST(DoubtedClose, IsToldWhenNoAnswerComes) {
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

TEST(DoubtedClose, AtTheEndOfTheTraceIsTold) {
  Story story;
  hidden_minisock(story);
  (void)question(story, kAsked);
  story.finishes(600ms);
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
}

TEST(DoubtedClose, WithAReasonIsNotAskedAbout) {
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

TEST(DoubtedClose, IsAskedAboutWhereRstsAreNotWatchedToo) {
  Story story({.watches_resets = false});
  Conn conn = hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  conn.minisock_expires(FinWait2, 60s);
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
}

TEST(DoubtedClose, AnRstThatCameLateSettlesIt) {
  Story story;
  Conn conn = hidden_minisock(story);
  const Question asked = question(story, kAsked);
  conn.sends_reset(Closed, 510ms);
  EXPECT_EQ(story.life(1).verdict(), "reset_sent, opened by local, closed by local");
  answers(story, asked, 520ms, gone());
  EXPECT_EQ(ends(story), 1U);
}

// An event of the minisock says that there is one: before the question, and while it is out.
class MinisockShows : public testing::TestWithParam<bool> {
 protected:
  void ask(Story& story) {
    if (GetParam()) asked_ = question(story, kAsked);
  }
  void is_told(Story& story, Nanos at, const InquiryEvent& answer) {
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
  is_told(story, 511ms, minisock_in(TimeWait));
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
  is_told(story, 511ms, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 62s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "1ms");
  expect_one_end(story, conn);
}

TEST_P(MinisockShows, ByAStartWithoutACancel) {
  Story story;
  Conn conn = hidden_minisock(story);
  ask(story);
  conn.minisock_starts(TimeWait, 510ms);
  is_told(story, 511ms, minisock_in(TimeWait));
  conn.minisock_expires(TimeWait, 62s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "409ms");
  expect_one_end(story, conn);
}

TEST_P(MinisockShows, ByItsExpiry) {
  Story story;
  Conn conn = hidden_minisock(story);
  ask(story);
  conn.minisock_expires(FinWait2, 510ms);
  is_told(story, 511ms, gone());
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
  EXPECT_EQ(story.life(1).dwell(FinWait2), "409ms");
  expect_one_end(story, conn);
}

TEST_P(MinisockShows, ByItsEnd) {
  Story story;
  Conn conn = hidden_minisock(story);
  ask(story);
  conn.minisock_cancelled(FinWait2, 510ms, {.canceller = Canceller::Abort});
  is_told(story, 511ms, gone());
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
  is_told(story, 511ms, minisock_in(TimeWait));
  EXPECT_TRUE(story.lifecycle().take_questions().empty());
  EXPECT_EQ(story.lifecycle().open(), 1U);
  conn.minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "309ms+-4ms") << "by its timer";
  expect_one_end(story, conn);
}

TEST(DoubtedClose, IsFoundByAWalkAfterTheAnswer) {
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

TEST(DoubtedClose, ThatNoWalkFindsIsAskedForAgain) {
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

TEST(DoubtedClose, GoesOnUnderItsCookieOfWhichAnotherLifeBegan) {
  Story story;
  Conn conn = hidden_time_wait(story);
  is_answered(story, kAsked, minisock_in(TimeWait));
  Conn again = story.client(1).local_port(41999).minisock_at(0x9999);
  again.connects(1s, {.pid = kPid, .life = 1}).moves(SynSent, Established, 1010ms, {.life = 1});
  conn.minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "60898ms");
  EXPECT_EQ(story.lifecycle().open(), 1U) << "the second life";
}

TEST(DoubtedClose, WhoseAddressesAreAnotherSocketsIsOver) {
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

TEST(DoubtedClose, WhoseAddressesAreAnotherMinisocksIsOver) {
  Story story;
  hidden_minisock(story);
  const Question asked = question(story, kAsked);
  InquiryEvent other = minisock_in(TimeWait);
  other.cookie = 2;
  answers(story, asked, 530ms, other);
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
}

// The tracepoint itself gave it a cookie, when its minisock was there.
TEST(DoubtedClose, OfASocketThatHadNoCookieIsAskedAboutByItsAddresses) {
  Story story;
  Conn conn = story.client(1).minisock_cookie(0).moves(FinWait2, Closed, 102ms, orphan());
  const Question asked = question(story, kAsked);
  EXPECT_EQ(asked.cookie, 0U);
  answers(story, asked, kAsked, minisock_in(FinWait2));
  conn.minisock_expires(FinWait2, 60s);
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by unknown, closed by local");
}

TEST(DoubtedClose, NextToALossIsUnknownWhenItIsGone) {
  Story story;
  hidden_minisock(story);
  story.loses(1, 110ms);
  is_answered(story, kAsked, gone());
  EXPECT_EQ(story.life(1).verdict(), "unknown, opened by local, closed by local");
}

TEST(DoubtedClose, NextToALossGoesOnAndIsNotUnseen) {
  Story story;
  Conn conn = hidden_minisock(story);
  story.loses(1, 110ms);
  is_answered(story, kAsked, minisock_in(FinWait2));
  EXPECT_EQ(story.lifecycle().corrected(), 1U);
  EXPECT_EQ(story.lifecycle().unseen(), 0U) << "it was counted";
  conn.minisock_expires(FinWait2, 60s);
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by local");
}

TEST(DoubtedClose, IsFlaggedWhenItsMinisockStays) {
  Story story(flagging(FinWait2, 5s));
  hidden_minisock(story);
  is_answered(story, kAsked, minisock_in(FinWait2));
  is_answered(story, 6s, minisock_in(FinWait2));
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 5899ms");
}

// --- a minisock whose timer was cancelled, and not seen to start again --------------------------

TEST(DoubtedCancel, IsToldWhenTheKernelSaysThatItIsGone) {
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
    EXPECT_EQ(story.life(1).dwell(TimeWait), "19898ms") << "dated back to the cancel";
    EXPECT_EQ(story.lifecycle().corrected(), 0U);
  }
}

TEST(DoubtedCancel, OfARestartIsNoEnd) {
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

TEST(DoubtedCancel, OfTheFinsRestartIsTheFin) {
  Story story;
  Conn conn = hidden_restart(story, FinWait2);
  is_answered(story, 21s, minisock_in(TimeWait));
  EXPECT_EQ(story.life(1).states(), std::string(kUpToFinWait2) + " 19899ms, TIME_WAIT");
  conn.minisock_expires(TimeWait, 81s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "61000ms");
}

TEST(DoubtedCancel, OfWhichAnotherFollowsWasARestart) {
  Story story;
  Conn conn = hidden_restart(story, FinWait2);
  conn.minisock_cancelled(TimeWait, 20010ms, {.canceller = Canceller::Abort});
  story.waits(21s);
  EXPECT_EQ(story.life(1).dwell(FinWait2), "19899ms") << "the first was the FIN";
  EXPECT_EQ(story.life(1).dwell(TimeWait), "10ms");
}

TEST(DoubtedCancel, IsResolvedByALateStart) {
  Story story;
  Conn conn = hidden_restart(story);
  const Question asked = question(story, 21s);
  conn.minisock_starts(TimeWait, 20s);
  answers(story, asked, 21100ms, minisock_in(TimeWait));
  EXPECT_EQ(story.lifecycle().corrected(), 0U) << "nothing was hidden";
  conn.minisock_expires(TimeWait, 81s);
  EXPECT_EQ(story.life(1).dwell(TimeWait), "80898ms");
}

TEST(DoubtedCancel, IsResolvedByTheExpiry) {
  Story story;
  Conn conn = hidden_restart(story);
  const Question asked = question(story, 21s);
  conn.minisock(TimerOp::Expire, TimeWait, 21s, {.left = 0s});
  answers(story, asked, 21100ms, gone());
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, expired");
  EXPECT_EQ(ends(story), 1U);
}

TEST(DoubtedCancel, IsResolvedByAWalkThatFindsIt) {
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

TEST(DoubtedCancel, WhoseMemoryIsAnotherMinisocksIsOver) {
  Story story;
  Conn conn = hidden_restart(story);
  const Question asked = question(story, 21s);
  orphaned(story, 2).minisock_at(conn.minisock_address()).hands_over(FinWait2, TimeWait, 21s);
  EXPECT_EQ(story.life(1).verdict(), "fin, opened by local, closed by local, reset");
  answers(story, asked, 21100ms, minisock_in(TimeWait));
  EXPECT_FALSE(story.life(2).over());
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(DoubtedCancel, OfACertainKillIsNotAskedAbout) {
  for (const Canceller canceller :
       {Canceller::Receive, Canceller::Connect, Canceller::Abort, Canceller::Netns}) {
    Story story;
    hidden_restart(story, TimeWait, canceller);
    EXPECT_TRUE(questions(story, 21s).empty());
    EXPECT_TRUE(story.life(1).over());
  }
}

TEST(DoubtedCancel, IsToldWhenNoAnswerComesAndAtTheEnd) {
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

// --- a request that seems to have ended, and its child or its restart was not seen --------------

TEST(DoubtedRequest, IsToldWhenTheKernelSaysThatItIsGone) {
  Story story;
  story.server(1).request_starts(0ms).request_cancelled(100ms);
  const Question asked = question(story, kAsked);
  EXPECT_FALSE(story.life_from(50001).over());
  answers(story, asked, kAsked, gone());
  EXPECT_EQ(story.life_from(50001).verdict(), "reset_received, opened by remote, closed by remote");
}

TEST(DoubtedRequest, WhoseChildIsThereIsTheSameConnection) {
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

TEST(DoubtedRequest, ThatIsThereGoesOn) {
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

TEST(DoubtedRequest, ThatAWalkFindsGoesOn) {
  Story story;
  Conn conn = story.server(1).request_starts(0ms).request_expires(1s);
  const Question asked = question(story, 1500ms);
  story.lifecycle().snapshot_begins();
  conn.request_found(1510ms, 0ms);
  story.lifecycle().snapshot_ended();
  answers(story, asked, 1520ms, gone());
  EXPECT_EQ(ends(story), 1U) << "it ended after that, and unseen";
}

// --- the bound ----------------------------------------------------------------------------------

TEST(DoubtBound, BeyondItEndsAreToldAtOnce) {
  Story story;
  for (std::uint64_t cookie = 1; cookie <= 1000; ++cookie) hidden_minisock(story, cookie);
  const auto asked = questions(story, kAsked);
  EXPECT_EQ(asked.size(), 200U);
  EXPECT_EQ(ends(story), 800U);
  for (const Question& question : asked) answers(story, question, kAsked, gone());
  EXPECT_EQ(ends(story), 1000U);
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST(DoubtBound, IsSoManyASecond) {
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
