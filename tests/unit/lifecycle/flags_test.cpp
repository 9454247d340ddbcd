// SPDX-License-Identifier: Apache-2.0
// Flags: questions to the kernel about a socket, and its answers.
#include <cerrno>

#include "support/flag_story.h"

namespace tcpdwell::life_story {
namespace {

// The peer closes at 1 s.
Conn stuck(Story& story, std::uint64_t cookie = 7) {
  return story.server(cookie).arrives(0ms).accepted(1ms).moves(Established, CloseWait, 1s);
}

TEST(Flag, AsksTheKernelAfterTheThreshold) {
  Story story(flagging(CloseWait, 60s));
  const Conn socket = stuck(story);
  EXPECT_TRUE(questions(story, 60'999ms).empty()) << "not before";
  const Question asked = question(story, 61'010ms);
  EXPECT_EQ(asked.cookie, 7U);
  EXPECT_EQ(asked.flow, socket.flow());
  EXPECT_EQ(asked.state, CloseWait);
  EXPECT_TRUE(questions(story, 10min).empty()) << "once";
  EXPECT_EQ(flags(story), "") << "no answer yet";
}

TEST(Flag, AsksTheKernelAfterALeapOfTheClock) {
  Story story(flagging(CloseWait, 1h));  // beyond two turns of the wheel
  stuck(story, 7);
  stuck(story, 8);
  EXPECT_TRUE(questions(story, 59min).empty());
  EXPECT_EQ(questions(story, 100h).size(), 2U);
  EXPECT_EQ(flags(story), "");
}

TEST(Flag, NextFlagIsWithinTheHorizon) {
  Story story(flagging(CloseWait, 1s));
  stuck(story);
  story.waits(1950ms);
  const auto due = story.lifecycle().next_flag(100ms);
  ASSERT_TRUE(due);
  EXPECT_GE(*due, story.clock(2s));
  EXPECT_LE(*due, story.clock(2s) + TimerWheel::kTick);
  EXPECT_FALSE(story.lifecycle().next_flag(20ms)) << "not so soon";
}

TEST(Flag, AsksNothingIfTheStateWasLeftInTime) {
  Story story(flagging(CloseWait, 60s));
  stuck(story).closes(CloseWait, 60s);
  EXPECT_TRUE(questions(story, 10min).empty());
}

TEST(Flag, AsksNothingWithoutThreshold) {
  Story story(flagging(CloseWait, 60s));
  story.client(1).establishes(0ms);
  EXPECT_TRUE(questions(story, 10h).empty());
  Story none;
  stuck(none);
  EXPECT_TRUE(questions(none, 10h).empty());
}

TEST(Flag, IsRaisedOnceTheKernelConfirms) {
  Story story(flagging(CloseWait, 60s));
  stuck(story);
  const Question asked = question(story, 61'010ms);
  answers(story, asked, 61'050ms, still_in(CloseWait));
  const FlagRecord raised = flag(story);
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 60050ms") << "its age when the kernel was asked";
  EXPECT_EQ(raised.when.mono, story.clock(61'050ms));
  EXPECT_EQ(raised.threshold, 60s);
  EXPECT_EQ(raised.socket.cookie, 7U);
  EXPECT_EQ(raised.cause, Cause::EofRead);
  answers(story, asked, 62s, still_in(CloseWait));
  EXPECT_TRUE(questions(story, 10min).empty());
  EXPECT_EQ(flag_records(story).size(), 1U) << "once";
}

TEST(Flag, ReportsTheAnswerOfTheKernel) {
  Story story(flagging(CloseWait, 60s));
  stuck(story);
  InquiryEvent answer = still_in(CloseWait);
  answer.receive_queue = 6;
  answer.send_queue = 9;
  answer.holders = {held_by(50, 4), held_by(42, 9), held_by(42, 3)};
  is_answered(story, 62s, answer);
  const FlagRecord raised = flag(story);
  EXPECT_EQ(raised.cause, Cause::DataUnread);
  EXPECT_EQ(raised.unread_bytes, 5U) << "the FIN is not data";
  EXPECT_EQ(raised.unsent_bytes, 9U);
  ASSERT_EQ(raised.holders.size(), 3U);
  EXPECT_EQ(raised.holders[0].fd, 3);
  EXPECT_EQ(raised.holders[1].fd, 9);
  EXPECT_EQ(raised.holders[2].process.pid, 50U);
}

TEST(Flag, AsksAgainIfTheKernelCouldNotBeAsked) {
  Story story(flagging(CloseWait, 60s));
  stuck(story);
  is_answered(story, 62s, nobody_knows());
  EXPECT_TRUE(questions(story, 62'990ms).empty());
  is_answered(story, 63'010ms, nobody_knows());
  EXPECT_EQ(flags(story), "");
  is_answered(story, 64'030ms, still_in(CloseWait));
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 63030ms");
}

TEST(Flag, MissingSocketEndsTheConnection) {
  Story story(flagging(CloseWait, 60s));
  stuck(story);
  is_answered(story, 61'010ms, gone());
  EXPECT_EQ(flags(story), "");
  EXPECT_EQ(story.life(7).verdict(), "unknown, opened by remote, closed by remote");
  EXPECT_EQ(story.life(7).dwell(CloseWait), "30005ms+-30005ms") << "it ended at an unknown time";
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST(Flag, DoesNotResolveAPendingEnd) {
  Story story(flagging(CloseWait, 60s));
  Conn socket = stuck(story);
  const Question asked = question(story, 61'010ms);
  socket.moves(CloseWait, Closed, 61'020ms, {.err = EPIPE});  // an RST of ours may follow
  answers(story, asked, 61'030ms, gone());
  EXPECT_EQ(story.life(7).verdict(), "still open");
  story.waits(62s);
  EXPECT_EQ(story.life(7).verdict(), "reset_received, opened by remote, closed by remote");
  EXPECT_EQ(story.life(7).dwell(CloseWait), "60020ms");
}

TEST(Flag, AsksAgainAfterARetractedEnd) {
  Story story(flagging(SynReceived, 1s));
  Conn request = story.server(1).request_starts(0ms);
  const Question asked = question(story, 1010ms);
  request.request_expires(1015ms);  // the SYN-ACK is being sent
  answers(story, asked, 1015ms, still_in(SynReceived));
  request.request_starts(1015ms, {.retransmits = 1});
  is_answered(story, 2100ms, still_in(SynReceived));
  EXPECT_EQ(flags(story), "SYN_RECEIVED raised 2100ms");
}

TEST(Flag, SocketInAnotherStateBridgesTheGap) {
  LifecycleConfig config = flagging(CloseWait, 60s);
  config.thresholds.set(LastAck, 60s);
  Story story(config);
  stuck(story);
  is_answered(story, 63s, still_in(LastAck));
  EXPECT_EQ(flags(story), "") << "neither raised nor cleared";
  EXPECT_EQ(story.life(7).transitions().back().to, LastAck);
  EXPECT_EQ(text(*story.life(7).transitions().back().dwell), "31000ms+-31000ms");
  is_answered(story, 93s, still_in(LastAck));
  EXPECT_EQ(flags(story), "LAST_ACK raised 61000ms+-31000ms");
}

TEST(Flag, IsNotRaisedForAMinisockAfterUnseenFin) {
  Story story(flagging(FinWait2, 1s));
  Conn client = story.client(1).establishes(0ms).closes(Established, 100ms);
  client.moves(FinWait1, FinWait2, 200ms, orphan()).hands_over(FinWait2, FinWait2, 200ms);
  is_answered(story, 2s, minisock_in(TimeWait));
  EXPECT_EQ(flags(story), "");
  EXPECT_EQ(story.life(1).transitions().back().to, FinWait2) << "end_minisock() dates the FIN";
  client.minisock_expires(TimeWait, 61s, {.left = 0s});
  EXPECT_EQ(story.life(1).dwell(FinWait2), "800ms+-4ms");
}

TEST(Flag, UnraisedFlagLeavesTheMinisockToTheNextWalk) {
  Story story(flagging(FinWait2, 1s));
  Conn client = story.client(1).establishes(0ms).closes(Established, 100ms);
  client.moves(FinWait1, FinWait2, 200ms, orphan()).hands_over(FinWait2, FinWait2, 200ms);
  is_answered(story, 2s, minisock_in(TimeWait));
  story.loses(1, 3s);  // may be its end
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  EXPECT_EQ(story.lifecycle().take_questions().size(), 1U) << "the walk did not find it";
}

TEST(Flag, IsClearedWithTheWholeDwell) {
  Story story(flagging(CloseWait, 60s));
  Conn socket = stuck(story);
  is_answered(story, 61'010ms, still_in(CloseWait));
  socket.closes(CloseWait, 100s);
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 60010ms, CLOSE_WAIT cleared 99000ms");
  const FlagRecord cleared = flag_records(story).back();
  EXPECT_EQ(cleared.when.mono, story.clock(100s));
  EXPECT_EQ(cleared.threshold, 60s);
  EXPECT_EQ(cleared.cause, Cause::EofRead) << "the cause of the raise";
  EXPECT_TRUE(cleared.holders.empty());
  socket.moves(LastAck, Closed, 101s, orphan());
  EXPECT_EQ(flag_records(story).size(), 2U) << "once";
}

TEST(Flag, IsClearedWhenTheSocketIsKilled) {
  Story story(flagging(CloseWait, 60s));
  Conn socket = stuck(story);
  is_answered(story, 62s, still_in(CloseWait));
  socket.moves(CloseWait, Closed, 70s, {.err = ECONNABORTED});
  story.waits(80s);
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 61000ms, CLOSE_WAIT cleared 69000ms");
}

TEST(Flag, IsNotClearedIfNotRaised) {
  Story story(flagging(CloseWait, 60s));
  Conn socket = stuck(story);
  const Question asked = question(story, 62s);
  socket.closes(CloseWait, 63s);
  answers(story, asked, 64s, still_in(CloseWait));  // asked before it left
  EXPECT_EQ(flags(story), "");
}

TEST(Flag, IgnoresAnswersForAReusedId) {
  Story story(flagging(CloseWait, 60s));
  Conn first = stuck(story, 7);
  const Question old = question(story, 62s);
  first.closes(CloseWait, 63s).moves(LastAck, Closed, 64s, orphan());
  story.server(8).arrives(65s).moves(Established, CloseWait, 66s);
  const Question asked = question(story, 127s);
  ASSERT_EQ(asked.id, old.id) << "this test needs a reused id";
  answers(story, old, 127s, still_in(CloseWait));
  answers(story, old, 127s, gone());
  EXPECT_EQ(flags(story), "");
  EXPECT_FALSE(story.life(8).over());
  answers(story, asked, 127s, still_in(CloseWait));
  EXPECT_EQ(flag(story).socket.cookie, 8U);
}

TEST(Flag, EvictedConnectionLeavesNoTimerToItsSuccessor) {
  LifecycleConfig config = flagging(CloseWait, 60s);
  config.max_connections = 2;
  Story story(config);
  stuck(story, 7);
  story.client(1).connects(30s);
  story.client(2).connects(30s);
  EXPECT_EQ(story.lifecycle().evicted(), 1U);
  EXPECT_TRUE(questions(story, 10min).empty());
}

TEST(Flag, CountsRaisedAndOpenFlags) {
  Story story(flagging(CloseWait, 60s));
  stuck(story, 7).closes(CloseWait, 2s);
  Conn cleared = stuck(story, 8);
  stuck(story, 9);
  for (const Question& asked : questions(story, 62s))
    answers(story, asked, 62s, still_in(CloseWait));
  EXPECT_EQ(story.lifecycle().flags_raised(), 2U);
  cleared.closes(CloseWait, 70s);
  story.finishes(80s);
  EXPECT_EQ(story.lifecycle().flags_raised(), 2U);
  EXPECT_EQ(story.lifecycle().flags_open(), 1U);
}

TEST(Flag, StaysOpenAfterEviction) {
  LifecycleConfig config = flagging(CloseWait, 60s);
  config.max_connections = 2;
  Story story(config);
  stuck(story, 7);
  is_answered(story, 62s, still_in(CloseWait));
  story.client(1).connects(63s);
  story.client(2).connects(63s);
  ASSERT_EQ(story.lifecycle().evicted(), 1U);
  story.finishes(80s);
  EXPECT_EQ(story.lifecycle().flags_open(), 1U) << "no transition cleared it";
}

}  // namespace
}  // namespace tcpdwell::life_story
