// SPDX-License-Identifier: Apache-2.0
// Flags: the threshold of each state, and filters.
#include "support/flag_story.h"

namespace tcpdwell::life_story {
namespace {

// In FIN_WAIT_2 since 1 s.
Conn half_closed(Story& story) {
  return story.client(1)
      .establishes(0ms)
      .moves(Established, FinWait1, 500ms, half_closed_by())
      .moves(FinWait1, FinWait2, 1s);
}
Conn orphaned_early(Story& story) {
  return story.client(1)
      .establishes(0ms)
      .closes(Established, 500ms)
      .moves(FinWait1, FinWait2, 1s, orphan())
      .hands_over(FinWait2, FinWait2, 1s);
}

TEST(FlagThreshold, OfOrphanExceedsTheKernelTimeout) {
  Story story(flagging_by_default());
  orphaned_early(story);
  EXPECT_TRUE(questions(story, 65'990ms).empty()) << "the kernel ends it by 62 s";
  is_answered(story, 66'010ms, minisock_in(FinWait2));
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 65010ms");
  const FlagRecord raised = flag(story);
  EXPECT_EQ(raised.cause, Cause::Orphaned);
  EXPECT_EQ(raised.threshold, 65s);
  EXPECT_EQ(raised.unread_bytes, std::nullopt) << "a minisock has no queues";
  EXPECT_EQ(raised.unsent_bytes, std::nullopt);
}

TEST(FlagThreshold, OfHeldFinWait2IsTheDefault) {
  Story story(flagging_by_default());
  half_closed(story);
  EXPECT_TRUE(questions(story, 60'990ms).empty());
  is_answered(story, 61'010ms, still_in(FinWait2));
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 60010ms");
  EXPECT_EQ(flag(story).cause, Cause::HalfClosed);
}

TEST(FlagThreshold, ExplicitAppliesToOrphans) {
  LifecycleConfig config = flagging_by_default();
  config.thresholds.set(FinWait2, 5s);
  Story story(config);
  orphaned_early(story);
  EXPECT_TRUE(questions(story, 5990ms).empty());
  is_answered(story, 6010ms, minisock_in(FinWait2));
  EXPECT_EQ(flag(story).threshold, 5s);
}

TEST(FlagThreshold, IsExtendedByCloseAfterShutdown) {
  Story story(flagging_by_default());
  half_closed(story)
      .moves(FinWait2, FinWait2, 30s, closed_by())
      .hands_over(FinWait2, FinWait2, 30s);
  EXPECT_TRUE(questions(story, 94'990ms).empty()) << "the kernel ends it 60 to 62 s after 30 s";
  is_answered(story, 95'010ms, minisock_in(FinWait2));
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 94010ms") << "the dwell is that of the whole state";
}

TEST(FlagThreshold, IsExtendedByCloseDuringTheQuestion) {
  Story story(flagging_by_default());
  Conn socket = half_closed(story);
  const Question asked = question(story, 61'010ms);
  socket.moves(FinWait2, FinWait2, 61'020ms, closed_by()).hands_over(FinWait2, FinWait2, 61'020ms);
  answers(story, asked, 61'030ms, minisock_in(FinWait2));
  EXPECT_EQ(flags(story), "");
  is_answered(story, 126'030ms, minisock_in(FinWait2));
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 125030ms");
}

TEST(FlagThreshold, RaisedFlagStaysAfterClose) {
  Story story(flagging_by_default());
  Conn socket = half_closed(story);
  is_answered(story, 61'010ms, still_in(FinWait2));
  socket.moves(FinWait2, FinWait2, 62s, closed_by()).hands_over(FinWait2, FinWait2, 62s);
  for (const Question& asked : questions(story, 100s))
    answers(story, asked, 100s, minisock_in(FinWait2));
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 60010ms") << "not twice";
  socket.minisock_expires(FinWait2, 123s);
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 60010ms, FIN_WAIT_2 cleared 122000ms");
}

TEST(FlagThreshold, OfHalfOpenRequest) {
  Story story(flagging(SynReceived, 2s));
  Conn request = story.server(1).request_starts(0ms);
  is_answered(story, 2010ms, still_in(SynReceived));
  ASSERT_EQ(story.records().size(), 2U) << "its first transition, and the flag";
  const auto& opened = std::get<TransitionRecord>(story.records()[0]);
  EXPECT_EQ(opened.from, Listen);
  EXPECT_EQ(opened.to, SynReceived);
  EXPECT_EQ(opened.when.mono, story.clock(0ms)) << "the time of the SYN";
  EXPECT_EQ(flags(story), "SYN_RECEIVED raised 2010ms");
  request.born(3s).request_cancelled(3s);
  request.moves(SynReceived, Established, 3s, {.attached = false});
  EXPECT_EQ(flags(story), "SYN_RECEIVED raised 2010ms, SYN_RECEIVED cleared 3000ms");
  EXPECT_EQ(story.life(1).states(), "SYN_RECEIVED 3000ms, ESTABLISHED");
}

TEST(FlagThreshold, OfOtherStates) {
  Story open(flagging(Established, 5s));
  open.client(1).establishes(0ms);
  is_answered(open, 5010ms, still_in(Established));
  EXPECT_EQ(flags(open), "ESTABLISHED raised 5010ms");
  EXPECT_EQ(flag(open).cause, Cause::None);

  Story connecting(flagging(SynSent, 5s));
  connecting.client(1).connects(0ms);
  InquiryEvent with_port = still_in(SynSent);
  with_port.local.port = 40001;
  is_answered(connecting, 5010ms, with_port);
  EXPECT_EQ(flags(connecting), "SYN_SENT raised 5010ms");
  EXPECT_EQ(flag(connecting).socket.flow.local.port, 40001) << "chosen after the first transition";

  Story listening(flagging(Listen, 5s));
  listening.listener(1).listens(0ms);
  is_answered(listening, 5010ms, still_in(Listen));
  EXPECT_EQ(flags(listening), "LISTEN raised 5010ms");

  Story waiting(flagging(TimeWait, 5s));
  half_closed(waiting).hands_over(FinWait2, TimeWait, 2s);
  is_answered(waiting, 7010ms, minisock_in(TimeWait));
  EXPECT_EQ(flags(waiting), "TIME_WAIT raised 5010ms");
}

TEST(FlagThreshold, CountsEachVisitOfAState) {
  Story story(flagging(SynSent, 5s));
  Conn socket = story.client(1);
  socket.connects(0ms).moves(SynSent, Closed, 4s, {.err = 111});
  socket.connects(4s, {.pid = kPid, .life = 1});
  EXPECT_TRUE(questions(story, 8990ms).empty());
  EXPECT_EQ(questions(story, 9010ms).size(), 1U);
}

TEST(FlagFilter, AsksNothingAboutHiddenConnections) {
  Filter filter;
  filter.pids = {1};
  Story story(flagging(Established, 5s), filter);
  story.client(1).establishes(0ms);
  EXPECT_TRUE(questions(story, 1h).empty());
}

TEST(FlagFilter, OfStatesAppliesToFlags) {
  Filter filter;
  filter.states.set(index(CloseWait));
  Story story(flagging(Established, 5s), filter);
  story.client(1).establishes(0ms);
  is_answered(story, 6s, still_in(Established));
  EXPECT_EQ(flags(story), "");
}

TEST(FlagFilter, FlagsOnlyLeavesTransitionsOut) {
  Filter filter;
  filter.flags_only = true;
  Story story(flagging(Established, 5s), filter);
  story.client(1).establishes(0ms);
  is_answered(story, 6s, still_in(Established));
  ASSERT_EQ(story.records().size(), 1U);
  EXPECT_TRUE(std::holds_alternative<FlagRecord>(story.records()[0]));
}

TEST(FlagFilter, AsksAgainOnceTheOwnerIsKnown) {
  Filter filter;
  filter.pids = {kPid};
  Story story(flagging(CloseWait, 60s), filter);
  Conn child = story.server(1).arrives(0ms).moves(Established, CloseWait, 1s, {.attached = false});
  InquiryEvent queued = still_in(CloseWait);
  queued.attached = false;
  is_answered(story, 62s, queued);
  EXPECT_EQ(flags(story), "") << "its owner is not known yet";
  child.accepted(70s);
  is_answered(story, 71s, still_in(CloseWait));
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 70000ms");
}

}  // namespace
}  // namespace tcpdwell::life_story
