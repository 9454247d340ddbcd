// SPDX-License-Identifier: Apache-2.0
// Hidden events are corrected by later events or by an answer of the kernel; the errors
// show the precision.
#include "support/pending_story.h"

namespace tcpdwell::life_story {
namespace {

// In FIN_WAIT_1 since 100 ms; later events are hidden.
Conn closing(Story& story) { return story.client(7).establishes(0ms).closes(Established, 100ms); }

InquiryEvent with_cookie(InquiryEvent answer, std::uint64_t cookie = 7) {
  answer.cookie = cookie;
  return answer;
}

LifecycleConfig asking_soon() {
  LifecycleConfig config;
  config.asks_soon = true;
  return config;
}
LifecycleConfig seeing_segments() {
  LifecycleConfig config = asking_soon();
  config.sees_segments = true;
  return config;
}

TEST(Unseen, SegmentForAMinisockMovesAnEarlierState) {
  Story story;
  Conn conn = closing(story).segment(300ms);
  EXPECT_EQ(story.life(7).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 100ms, FIN_WAIT_1 100ms+-100ms, "
            "FIN_WAIT_2 100ms+-100ms, TIME_WAIT");
  conn.minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(7).verdict(), "fin, opened by local, closed by local, expired");
}

TEST(Unseen, SegmentMovesAConnectWithUnknownPort) {
  Story story;
  story.client(7).connects(0ms).segment(300ms);
  const std::string states = story.life(7).states();
  EXPECT_TRUE(states.ends_with("TIME_WAIT")) << states;
}

TEST(Unseen, SegmentOfAnotherLifeMovesNothing) {
  Story story;
  Conn conn = story.client(7).establishes(0ms);
  Conn(conn).local_port(40999).segment(300ms);
  EXPECT_EQ(story.life(7).states(), "CLOSED, SYN_SENT 10ms, ESTABLISHED");
}

TEST(Unseen, ShortLivedStateIsAskedAboutWithinASecond) {
  Story story(asking_soon());
  closing(story);
  EXPECT_TRUE(questions(story, 250ms).empty()) << "a peer may be far away";
  EXPECT_EQ(questions(story, 750ms).size(), 1U);
}

TEST(Unseen, AnswerShowsAMinisock) {
  Story story(seeing_segments());
  Conn conn = closing(story);
  story.waits(0ms);
  is_answered(story, 700ms, with_cookie(minisock_in(TimeWait)));
  EXPECT_EQ(story.life(7).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 100ms, FIN_WAIT_1 300ms+-300ms, "
            "FIN_WAIT_2 0ms+-600ms, TIME_WAIT");
  conn.minisock_expires(TimeWait, 61s);
  EXPECT_EQ(story.life(7).verdict(), "fin, opened by local, closed by local, expired");
  expect_one_end(story, conn);
}

// connect() chose the port after its transition, so no event has told it.
TEST(Unseen, AnswerShowsTheMinisockOfAConnectWithUnknownPort) {
  Story story(seeing_segments());
  Conn conn = story.client(7).connects(0ms);
  story.waits(0ms);
  InquiryEvent answer = with_cookie(minisock_in(TimeWait));
  answer.local = conn.flow().local;
  is_answered(story, 700ms, std::move(answer));
  story.lifecycle().snapshot_begins();
  conn.minisock_found(TimeWait, 800ms);
  story.lifecycle().snapshot_ended();
  EXPECT_EQ(story.lifecycle().open(), 1U) << "the walk found the same connection";
  conn.minisock_expires(TimeWait, 61s);
  expect_one_end(story, conn);
}

TEST(Unseen, AnswerShowsAHiddenFinToAnOrphan) {
  Story story(seeing_segments());
  orphaned(story, 7).hands_over(FinWait2, FinWait2, 102ms);
  story.waits(102ms);
  is_answered(story, 701ms, with_cookie(minisock_in(TimeWait)));
  EXPECT_EQ(story.life(7).states(), std::string(kUpToFinWait2) + " 300ms+-300ms, TIME_WAIT");
}

TEST(Unseen, FinIsDatedAtTheEndWithoutSegmentEvents) {
  Story story(asking_soon());
  Conn conn = orphaned(story, 7).hands_over(FinWait2, FinWait2, 102ms);
  EXPECT_TRUE(questions(story, 10s).empty());
  conn.minisock_expires(TimeWait, 70s, {.left = -500ms});
  EXPECT_EQ(story.life(7).dwell(TimeWait), "60500ms+-4ms");
}

TEST(Unseen, AnswerShowsTheChildOfARequest) {
  Story story(asking_soon());
  story.server(7).request_starts(0ms);
  story.waits(0ms);
  is_answered(story, 600ms, with_cookie(still_in(Established)));
  EXPECT_EQ(story.life(7).states(), "LISTEN, SYN_RECEIVED 300ms+-300ms, ESTABLISHED");
}

TEST(Unseen, OverdueTimeWaitIsAskedAbout) {
  Story story(asking_soon());
  orphaned(story, 7).hands_over(FinWait2, TimeWait, 102ms);
  EXPECT_TRUE(questions(story, 62s).empty()) << "60 s, and the timer wheel's 2 s";
  is_answered(story, 63s, gone());
  EXPECT_EQ(name(story.life(7).end().ended), "fin");
}

TEST(Unseen, QuestionsAreBounded) {
  Story story(asking_soon());
  for (std::uint64_t cookie = 1; cookie <= 1000; ++cookie)
    story.client(cookie).establishes(20ms).closes(Established, 30ms);
  story.waits(30ms);
  EXPECT_LE(questions(story, 1s).size(), 200U);
}

TEST(Unseen, QuestionsBecomeRarer) {
  Story story(asking_soon());
  closing(story);
  std::size_t asked = 0;
  for (Nanos at = 200ms; at < 60s; at += 500ms)
    for (const Question& question : questions(story, at)) {
      ++asked;
      answers(story, question, at, with_cookie(still_in(FinWait1)));
    }
  EXPECT_GE(asked, 5U);
  EXPECT_LE(asked, 16U);
}

TEST(Unseen, HiddenTransitionWantsAWalk) {
  Story story;
  closing(story).segment(300ms);
  EXPECT_TRUE(story.lifecycle().wants_snapshot());
}

constexpr std::uint64_t kSocket = 0xabc0;

// accept() returned a socket that no transition gave a cookie.
Conn accepted_without_cookie(Story& story, Nanos at) {
  story.on(AcceptEvent{.at = story.clock(at), .object = kSocket, .task = process(8, 0)});
  return story.server(7).socket_at(kSocket);
}

Conn walked_and_accepted(Story& story) {
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  return accepted_without_cookie(story, 100ms);
}

TEST(Unseen, AWalkShowsThePortOfAConnectWhoseAnswerWasHidden) {
  Story story;
  Conn conn = story.client(7).connects(0ms);
  story.lifecycle().snapshot_begins();
  conn.found(CloseWait, 400ms);
  EXPECT_EQ(story.life(7).states(), "CLOSED, SYN_SENT 200ms+-200ms, CLOSE_WAIT");
}

TEST(Unseen, AcceptShowsAChildWhoseBeginningWasHidden) {
  Story story;
  Conn conn = walked_and_accepted(story);
  EXPECT_EQ(story.lifecycle().unseen(), 1U);
  EXPECT_TRUE(story.lifecycle().wants_snapshot());
  story.lifecycle().snapshot_begins();
  conn.found(CloseWait, 500ms);
  story.lifecycle().snapshot_ended();
  EXPECT_EQ(story.life(7).states(), "LISTEN, SYN_RECEIVED >=0ms, CLOSE_WAIT");
  EXPECT_EQ(story.life(7).owner(), "8 by accept");
}

TEST(Unseen, SoDoesItsNextTransition) {
  Story story;
  walked_and_accepted(story).closes(Established, 500ms, 8);
  EXPECT_EQ(story.life(7).states(),
            "LISTEN, SYN_RECEIVED >=0ms, ESTABLISHED 200ms+-200ms, FIN_WAIT_1");
}

TEST(Unseen, AcceptSaysNothingOfWhatWasThereBeforeTheFirstWalkEnded) {
  Story story;
  accepted_without_cookie(story, 100ms);
  EXPECT_EQ(story.lifecycle().unseen(), 0U);
}

}  // namespace
}  // namespace tcpdwell::life_story
