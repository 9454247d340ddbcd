// SPDX-License-Identifier: Apache-2.0
// Flags of sockets whose age has two bounds. At HZ=250 a jiffy is 4 ms.
#include "support/flag_story.h"

namespace tcpdwell::life_story {
namespace {

constexpr std::uint32_t kSecond = 250;  // in jiffies

// In CLOSE_WAIT: ages of the last data, the last acknowledgment and the due ACK of the FIN.
Found close_wait(std::uint32_t data_ago, std::uint32_t acked_ago, std::int64_t ack_due_ago) {
  SocketStamps stamps;
  stamps.known = true;
  stamps.delack_ago = ack_due_ago;
  return {.acked_ago = acked_ago, .received_ago = data_ago, .sent_ago = data_ago, .stamps = stamps};
}
// The FIN came 30 s ago; a keepalive probe updated the other stamps 2 s ago.
Found kept_alive() {
  return close_wait(60 * kSecond, 2 * kSecond, 30 * std::int64_t{kSecond} - 10);
}
// Between 2 s and a minute old.
Found unknown_age() {
  Found found = close_wait(60 * kSecond, 2 * kSecond, SocketStamps::kNever);
  found.stamps.quickack_route = true;
  return found;
}

LifecycleConfig listing(State state, Nanos threshold, StateMemory* memory = nullptr) {
  LifecycleConfig config = flagging(state, threshold);
  config.flags_uncertain = true;
  config.memory = memory;
  return config;
}

TEST(FlagOfAnOlderSocket, HasBothBoundsOfItsAge) {
  Story story(flagging(CloseWait, 10s), {}, 1h);
  story.server(7).found(CloseWait, 0ms, kept_alive());
  is_answered(story, 20ms, still_in(CloseWait));
  const FlagRecord raised = flag(story);
  EXPECT_EQ(text(raised.dwell), ">=29980ms");
  EXPECT_EQ(raised.at_most, 30'480ms);
  EXPECT_TRUE(is_certainly_stuck(raised) && is_leak(raised));
}

TEST(FlagOfAnOlderSocket, IsRaisedWhenEitherOfTwoCloseBoundsPasses) {
  Story story(flagging(CloseWait, 40s), {}, 1h);
  story.server(7).found(CloseWait, 0ms, kept_alive());  // it is 29.96 s to 30.46 s old
  EXPECT_TRUE(questions(story, 9'500ms).empty());
  EXPECT_EQ(questions(story, 9'560ms).size(), 1U) << "the upper bound passed just now";
}

TEST(FlagOfAnOlderSocket, WaitsForLowerBoundInATrace) {
  Story story(flagging(CloseWait, 10s), {}, 1h);
  story.server(7).found(CloseWait, 0ms, unknown_age());
  EXPECT_TRUE(questions(story, 7'990ms).empty()) << "it may be 2 s old";
  is_answered(story, 8'030ms, still_in(CloseWait));
  EXPECT_EQ(flag(story).at_most, 68'054ms) << "a jiffy and a late tick more than a minute";
  EXPECT_TRUE(is_certainly_stuck(flag(story)));
}

TEST(FlagOfAnOlderSocket, OfUnknownAgeIsRaisedByLeaks) {
  Story story(listing(CloseWait, 10s), {}, 1h);
  story.server(7).found(CloseWait, 0ms, unknown_age());
  is_answered(story, 20ms, still_in(CloseWait));
  const FlagRecord raised = flag(story);
  EXPECT_EQ(text(raised.dwell), ">=2016ms");
  EXPECT_EQ(raised.at_most, 60'044ms);
  EXPECT_TRUE(is_of_unknown_age(raised));
  EXPECT_FALSE(is_certainly_stuck(raised) || is_leak(raised));
}

TEST(FlagOfAnOlderSocket, IsNotRaisedIfBothBoundsAreBelowThreshold) {
  Story story(listing(CloseWait, 2min), {}, 1h);
  story.server(7).found(CloseWait, 0ms, unknown_age());
  EXPECT_TRUE(questions(story, 20ms).empty());
}

TEST(FlagOfAnOlderSocket, IsNotRaisedWithoutUpperBound) {
  Story story(listing(Established, 10s), {}, 1h);
  story.server(7).found(Established, 0ms, {.acked_ago = kSecond});
  EXPECT_TRUE(questions(story, 20ms).empty());
}

TEST(FlagOfAnOlderSocket, OfExactAgeHasAnError) {
  Found found{.acked_ago = 0, .received_ago = 0};
  found.stamps.known = true;
  found.stamps.delivered = 1h - 20s;
  Story story(flagging(FinWait2, 10s), {}, 1h);
  story.client(7).found(FinWait2, 0ms, found);
  is_answered(story, 20ms, still_in(FinWait2));
  EXPECT_EQ(text(flag(story).dwell), "20018ms+-2ms");
  EXPECT_EQ(flag(story).at_most, std::nullopt) << "dwell and error are enough";
}

TEST(FlagOfAnOlderSocket, HasNoBoundsOfThePreviousState) {
  Story story(flagging(LastAck, 1s), {}, 1h);
  Conn socket = story.server(7).found(CloseWait, 0ms, unknown_age());
  socket.closes(CloseWait, 1s);
  is_answered(story, 2'020ms, still_in(LastAck));
  EXPECT_EQ(text(flag(story).dwell), "1020ms");
  EXPECT_EQ(flag(story).at_most, std::nullopt);
}

TEST(FlagOfAnOlderSocket, BoundsAreOnlyNarrowedByALaterWalk) {
  Story story(flagging(CloseWait, 20s), {}, 1h);
  Conn socket = story.server(7).found(CloseWait, 0ms, unknown_age());
  socket.found(CloseWait, 10s, unknown_age());  // a probe was answered meanwhile
  EXPECT_TRUE(questions(story, 17'990ms).empty());
  is_answered(story, 18'030ms, still_in(CloseWait));
  EXPECT_EQ(text(flag(story).dwell), ">=20026ms") << "since 2 s before the first walk";
}

TEST(FlagOfAnOlderSocket, AgeIsKeptBetweenScans) {
  StateMemory memory;
  for (const Nanos later : {0s, 5s, 9s}) {
    memory.begin_look();
    Story story(listing(CloseWait, 10s, &memory), {}, 1h + later);
    story.server(7).found(CloseWait, 0ms, unknown_age());  // keepalive probes continue
    is_answered(story, 20ms, still_in(CloseWait));
    EXPECT_EQ(flag(story).dwell.value, 2'016ms + later);
    EXPECT_EQ(is_leak(flag(story)), later == 9s);
  }
}

std::string watched(Story& story, Nanos at) {
  std::string all;
  for (const WatchedState& state : story.lifecycle().watched_states(story.clock(at)))
    all += std::string(name(state.state)) + ' ' + std::to_string(state.sockets) + ' ' +
           text(state.oldest) + ' ' + std::to_string(state.unknown_age) + '\n';
  return all;
}

TEST(WatchedStates, HaveAThreshold) {
  LifecycleConfig config = listing(CloseWait, 50s);
  config.thresholds.set(FinWait2, 1h);
  Story story(config, {}, 1h);
  EXPECT_EQ(watched(story, 0s), "FIN_WAIT_2 0 0ms 0\nCLOSE_WAIT 0 0ms 0\n");
  story.server(1).found(CloseWait, 0ms, unknown_age());
  story.server(2).found(CloseWait, 0ms, kept_alive());
  story.server(3).found(Established, 0ms, {.acked_ago = kSecond});
  EXPECT_EQ(watched(story, 0s), "FIN_WAIT_2 0 0ms 0\nCLOSE_WAIT 2 29960ms 1\n");
  EXPECT_EQ(watched(story, 60s), "FIN_WAIT_2 0 0ms 0\nCLOSE_WAIT 2 89960ms 0\n")
      << "both are certainly too old by then";
}

TEST(WatchedStates, PassTheFilter) {
  Filter filter;
  filter.ports = {9};
  Story story(listing(CloseWait, 50s), filter, 1h);
  story.server(1).found(CloseWait, 0ms, unknown_age());
  EXPECT_EQ(watched(story, 0s), "CLOSE_WAIT 0 0ms 0\n");
}

}  // namespace
}  // namespace tcpdwell::life_story
