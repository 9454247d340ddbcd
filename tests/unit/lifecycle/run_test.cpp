// SPDX-License-Identifier: Apache-2.0
// `run`: sockets leaked by a process, closed by its language runtime, or only closed late.
#include <gtest/gtest.h>

#include <cerrno>

#include "support/dead_story.h"

namespace tcpdwell::life_story {
namespace {

LifecycleConfig for_run() {
  LifecycleConfig config = flagging_by_default();
  config.thresholds = default_thresholds(1s);
  config.exit_grace = 100ms;
  return config;
}

Facts by_command() {
  Facts facts = closed_by();
  facts.by_followed = true;
  return facts;
}
Facts by_its_exit() {
  Facts facts = by_command();
  facts.exiting = true;
  return facts;
}
Conn unclosed(Story& story) {
  return story.server(7).arrives(0ms).accepted(1ms).moves(Established, CloseWait, 1s);
}
Conn shut_down(Story& story) {
  return story.client(7)
      .establishes(0ms)
      .moves(Established, FinWait1, 1s, half_closed_by())
      .moves(FinWait1, FinWait2, 1s);
}
void exits(Story& story, Nanos at, std::uint32_t pid = kPid) {
  story.on(ExitEvent{.at = story.clock(at), .pid = pid});
}

TEST(Run, CloseByTheRuntimeJustBeforeExitIsALeak) {
  Story story(for_run());
  unclosed(story).moves(CloseWait, LastAck, 3s, by_command());
  EXPECT_EQ(flags(story), "") << "the process may keep running";
  exits(story, 3040ms);
  EXPECT_EQ(flags(story), "CLOSE_WAIT by exit 2000ms");
  EXPECT_EQ(flag(story).before_exit, 40ms);
  EXPECT_EQ(flag(story).threshold, 1s);
}

TEST(Run, CloseByTheProgramIsSlow) {
  Story story(for_run());
  unclosed(story).moves(CloseWait, LastAck, 3s, by_command());
  story.waits(3200ms);
  EXPECT_EQ(flags(story), "CLOSE_WAIT slow 2000ms");
  exits(story, 3300ms);
  EXPECT_EQ(flag_records(story).size(), 1U);
}

TEST(Run, CloseByARunningProcessIsSlowAtTheEnd) {
  Story story(for_run());
  unclosed(story).moves(CloseWait, LastAck, 3s, by_command());
  story.finishes(3020ms);
  EXPECT_EQ(flags(story), "CLOSE_WAIT slow 2000ms");
}

TEST(Run, ExitOfAnotherProcessIsNoLeak) {
  Story story(for_run());
  unclosed(story).moves(CloseWait, LastAck, 3s, by_command());
  exits(story, 3020ms, kPid + 1);
  story.waits(3200ms);
  EXPECT_EQ(flags(story), "CLOSE_WAIT slow 2000ms");
}

TEST(Run, CloseAfterSendingIsSlow) {
  Story story(for_run());
  Facts facts = by_command();
  facts.sent = true;  // the answer
  unclosed(story).moves(CloseWait, LastAck, 3s, facts);
  exits(story, 3s + 1ms);
  EXPECT_EQ(flags(story), "CLOSE_WAIT slow 2000ms");
}

TEST(Run, CloseWithinTheThresholdIsNotFlagged) {
  Story story(for_run());
  unclosed(story).moves(CloseWait, LastAck, 1900ms, by_command());
  exits(story, 1901ms);
  EXPECT_EQ(flags(story), "");
}

TEST(Run, HalfCloseIsALeakOverItsThresholdOnly) {
  const auto at = [](Nanos time) {
    Story story(for_run());
    shut_down(story).moves(FinWait2, FinWait2, time, by_its_exit());
    return flags(story);
  };
  EXPECT_EQ(at(1900ms), "");
  EXPECT_EQ(at(2500ms), "FIN_WAIT_2 by exit 1500ms");
}

TEST(Run, HalfCloseWithUnreadDataIsClosedByTheExitOfItsOwner) {
  Story story(for_run());
  Conn client = shut_down(story);
  exits(story, 3s);
  Facts facts{.shutdown = 3, .closing = true, .receive_queue = 7};
  client.moves(FinWait2, Closed, 3001ms, facts);
  EXPECT_EQ(flags(story), "FIN_WAIT_2 by exit 2001ms");
}

TEST(Run, EndByThePeerIsNotALeak) {
  Story story(for_run());
  Conn client = shut_down(story);
  is_answered(story, 2100ms, still_in(FinWait2));
  client.minisock_starts(TimeWait, 4s).moves(FinWait2, Closed, 4s, {.shutdown = 3});
  EXPECT_EQ(flags(story), "FIN_WAIT_2 raised 1100ms, FIN_WAIT_2 cleared 3000ms");
}

Conn reset(Story& story) {
  Conn client = story.client(7).establishes(0ms).moves(Established, Closed, 1s,
                                                       {.err = ECONNRESET, .shutdown = 3});
  story.waits(1500ms);
  return client;
}
ReleaseEvent released(const Story& story, Nanos at) {
  return {.at = story.clock(at),
          .cookie = 7,
          .active = story.clock(1s),
          .task = process(kPid),
          .by_followed = true};
}

TEST(Run, DeadDescriptorClosedByExitIsALeak) {
  Story story(for_run());
  reset(story);
  ReleaseEvent release = released(story, 2500ms);
  release.by_exit = true;
  story.on(release);
  EXPECT_EQ(flags(story), "CLOSED by exit 1500ms");
  EXPECT_EQ(flag(story).cause, Cause::NotClosed);
  EXPECT_EQ(flag(story).ended, Ended::ResetReceived);
  EXPECT_EQ(look_due(story), std::nullopt);
}

TEST(Run, DeadDescriptorWithinItsThresholdIsNotFlagged) {
  Story story(for_run());
  reset(story);
  ReleaseEvent release = released(story, 1900ms);
  release.by_exit = true;
  story.on(release);
  EXPECT_EQ(flags(story), "");
}

TEST(Run, DeadDescriptorClosedByTheRuntimeIsALeak) {
  Story story(for_run());
  reset(story);
  story.on(released(story, 2500ms));
  EXPECT_EQ(flags(story), "");
  exits(story, 2510ms);
  EXPECT_EQ(flags(story), "CLOSED by exit 1500ms");
}

TEST(Run, DeadDescriptorClosedByTheProgramIsSlow) {
  Story story(for_run());
  Conn client = reset(story);
  DeadSocket found = held(story, client, 1s);
  found.holders[0].followed = true;
  walks(story, 2100ms, {found});
  story.on(released(story, 2500ms));
  story.waits(2700ms);
  EXPECT_EQ(flags(story), "CLOSED raised 1100ms, CLOSED cleared 1500ms, CLOSED slow 1500ms");
  EXPECT_EQ(story.lifecycle().flags_open(), 0U);
  EXPECT_EQ(story.lifecycle().flags_raised(), 1U);
}

TEST(Run, DeadDescriptorReadUntilNowIsNotFlagged) {
  Story story(for_run());
  reset(story);
  ReleaseEvent release = released(story, 5s);
  release.by_exit = true;
  release.active = story.clock(4900ms);
  story.on(release);
  EXPECT_EQ(flags(story), "");
}

TEST(Run, SocketHeldByOthersOnlyIsNotFlagged) {
  Story story(for_run());
  unclosed(story);
  InquiryEvent answer = still_in(CloseWait);
  answer.holders = {held_by(99)};
  is_answered(story, 2100ms, answer);
  EXPECT_EQ(flags(story), "");

  Story another(for_run());
  Conn client = reset(another);
  walks(another, 2100ms, {held(another, client, 1s, 99)});
  EXPECT_EQ(flags(another), "");
}

TEST(Run, SocketHeldByTheCommandIsFlagged) {
  Story story(for_run());
  unclosed(story);
  InquiryEvent answer = still_in(CloseWait);
  answer.holders = {held_by(99), held_by(kPid)};
  answer.holders[1].followed = true;
  is_answered(story, 2100ms, answer);
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 1100ms");
}

TEST(Run, UnacceptedSocketIsNotFlagged) {
  Story story(for_run());
  story.server(7).arrives(0ms).moves(Established, CloseWait, 1s);
  InquiryEvent answer = still_in(CloseWait);
  answer.attached = false;
  answer.holders = {held_by(kPid)};
  answer.holders[0].followed = true;
  is_answered(story, 2100ms, answer);
  EXPECT_EQ(flags(story), "");
}

std::string longest(Story& story) {
  std::string all;
  for (const Longest& one : story.lifecycle().longest())
    all += std::string(name(one.state)) + ' ' + text(one.dwell) + " of " + text(one.socket.owner) +
           ' ';
  return all;
}

TEST(Run, KeepsTheLongestDwells) {
  Story story(for_run());
  unclosed(story).moves(CloseWait, LastAck, 1300ms, by_command());
  story.server(8)
      .arrives(0ms)
      .accepted(1ms)
      .moves(Established, CloseWait, 1s)
      .moves(CloseWait, LastAck, 1200ms, by_command());
  Conn client = story.client(9).establishes(0ms).moves(Established, FinWait1, 1s, half_closed_by());
  client.moves(FinWait1, FinWait2, 1s).minisock_starts(TimeWait, 1700ms);
  EXPECT_EQ(longest(story), "CLOSE_WAIT 300ms of 42 by accept FIN_WAIT_2 700ms of 42 by connect ");
}

TEST(Run, LongestIncludesOpenSocketsButNoOrphansOrUnaccepted) {
  Story story(for_run());
  unclosed(story);
  story.server(8).arrives(0ms).moves(Established, CloseWait, 100ms);
  story.client(9)
      .establishes(0ms)
      .moves(Established, FinWait1, 0ms, closed_by())
      .moves(FinWait1, FinWait2, 1ms, orphan());
  story.finishes(1500ms);
  EXPECT_EQ(longest(story), "CLOSE_WAIT 500ms of 42 by accept ");
}

TEST(Run, LongestIsKeptByRunOnly) {
  Story story(flagging_by_default());
  unclosed(story).closes(CloseWait, 3s);
  story.finishes(4s);
  EXPECT_TRUE(story.lifecycle().longest().empty());
}

}  // namespace
}  // namespace tcpdwell::life_story
