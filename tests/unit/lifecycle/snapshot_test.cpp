// SPDX-License-Identifier: Apache-2.0
// Full sockets and requests found by a walk through a namespace: older than the trace, or already
// in the table. At HZ=250 a jiffy is 4 ms.
#include "support/flag_story.h"

namespace tcpdwell::life_story {
namespace {

// The dwell of `state`, found at 0 s, left at 10 s.
std::string dwell_in(State state, State next, Found facts) {
  Story story;
  story.server(7).found(state, 0ms, facts).moves(state, next, 10s);
  story.waits_and_all_is_gone(11s);
  const Life life = story.life(7);
  const auto& moves = life.transitions();
  return moves.size() == 1 && moves[0].dwell ? text(*moves[0].dwell) : "nothing";
}

TEST(Snapshot, OfOlderSocketGivesALowerBound) {
  EXPECT_EQ(dwell_in(CloseWait, LastAck, {}), ">=10000ms") << "the kernel keeps no stamp";
  EXPECT_EQ(dwell_in(CloseWait, LastAck, {.acked_ago = 251}), ">=11000ms") << "1 s and a jiffy";
  EXPECT_EQ(dwell_in(CloseWait, LastAck, {.acked_ago = 1}), ">=10000ms");
  EXPECT_EQ(dwell_in(CloseWait, LastAck, {.acked_ago = 0}), ">=10000ms");
}

TEST(Snapshot, UsesTheStampOfEachState) {
  const Found all{.acked_ago = 251, .received_ago = 501, .sent_ago = 1001};
  EXPECT_EQ(dwell_in(CloseWait, LastAck, all), ">=11000ms");
  EXPECT_EQ(dwell_in(FinWait2, Closed, all), ">=11000ms");
  EXPECT_EQ(dwell_in(Established, CloseWait, all), ">=14000ms") << "the latest activity";
  EXPECT_EQ(dwell_in(Established, CloseWait, {.received_ago = 501}), ">=12000ms");
  EXPECT_EQ(dwell_in(LastAck, Closed, all), ">=10000ms") << "a retransmit is not the begin";
  EXPECT_EQ(dwell_in(FinWait1, FinWait2, all), ">=10000ms");
}

TEST(Snapshot, IsNotOlderThanTheBoot) {
  Story story({}, {}, 5s);
  story.server(7).found(CloseWait, 0ms, {.acked_ago = 10'000'000}).moves(CloseWait, LastAck, 1s);
  EXPECT_EQ(story.life(7).states(), "CLOSE_WAIT >=6000ms, LAST_ACK");
}

TEST(Snapshot, PublishesNothingUntilTheNextTransition) {
  Story story;
  story.server(7).found(Established, 0ms);
  story.client(8).found(SynSent, 0ms);
  story.listener(9).found(Listen, 0ms);
  story.waits(1h);
  EXPECT_TRUE(story.records().empty());
  EXPECT_EQ(story.lifecycle().open(), 3U);
}

TEST(Snapshot, DerivesRoleAndCloserFromTheState) {
  Story story;
  story.client(1).found(SynSent, 0ms).moves(SynSent, Closed, 1s, {.err = 111});
  story.listener(2).found(Listen, 0ms).closes(Listen, 1s);
  story.server(3).found(LastAck, 0ms, {.dead = true}).moves(LastAck, Closed, 1s, orphan());
  EXPECT_EQ(story.life(1).end().socket.role, Role::Client);
  EXPECT_EQ(story.life(1).verdict(), "refused, opened by local, closed by remote");
  EXPECT_EQ(story.life(2).end().socket.role, Role::Listener);
  EXPECT_EQ(story.life(3).end().socket.role, Role::Unknown);
  EXPECT_EQ(story.life(3).verdict(), "fin, opened by unknown, closed by remote");
}

TEST(Snapshot, OfKnownSocketChangesNothing) {
  Story story(flagging(Established, 60s));
  Conn socket = story.client(1).establishes(0ms);
  const std::size_t said = story.records().size();
  socket.found(Established, 30s, {.acked_ago = 1'000'000});
  EXPECT_EQ(story.records().size(), said);
  EXPECT_EQ(questions(story, 60'010ms).size(), 1U) << "its timer keeps running";
  socket.moves(Established, CloseWait, 61s);
  EXPECT_EQ(story.life(1).states(), "CLOSED, SYN_SENT 10ms, ESTABLISHED 61000ms, CLOSE_WAIT");
}

TEST(Snapshot, KeepsTheEarliestTimeOfAnEarlierWalk) {
  Story story(flagging(CloseWait, 60s));
  Conn socket = story.server(7).found(CloseWait, 0ms, {.acked_ago = 251});  // since -1 s
  socket.found(CloseWait, 10s, {.acked_ago = 251});  // an ACK came since: 9 s would be too late
  EXPECT_TRUE(questions(story, 58'990ms).empty());
  EXPECT_EQ(questions(story, 59'010ms).size(), 1U);
  socket.found(CloseWait, 20s, {.acked_ago = 10'001});  // since -20 s
  EXPECT_TRUE(questions(story, 59'030ms).empty()) << "the kernel is being asked";
  socket.moves(CloseWait, LastAck, 60s);
  EXPECT_EQ(story.life(7).states(), "CLOSE_WAIT >=80000ms, LAST_ACK");
}

TEST(Snapshot, OfKnownSocketInAnotherStateBridgesTheGap) {
  Story story;
  story.client(1).establishes(0ms).found(CloseWait, 10s).closes(CloseWait, 20s);
  EXPECT_EQ(story.life(1).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 5000ms+-5000ms, CLOSE_WAIT 15000ms+-5000ms, "
            "LAST_ACK");
  EXPECT_EQ(story.life(1).why(CloseWait), "") << "the transition was lost";
}

TEST(Snapshot, OfNewbornChangesNothing) {
  Story story;
  Conn child = story.server(7).request_starts(-1ms).born(0ms);
  child.found(SynReceived, 1us);
  child.request_cancelled(2us).moves(SynReceived, Established, 2us, {.attached = false});
  EXPECT_EQ(story.lifecycle().open(), 1U) << "one connection, not two";
  child.moves(Established, CloseWait, 1s);
  EXPECT_EQ(story.life(7).states(),
            "LISTEN, SYN_RECEIVED 1.002ms, ESTABLISHED 999.998ms, CLOSE_WAIT");
}

TEST(Snapshot, BetweenMinisockStartAndLastTransitionIsNotAGap) {
  Story story;
  Conn client = story.client(1).establishes(0ms).closes(Established, 10ms);
  client.moves(FinWait1, FinWait2, 20ms, orphan()).minisock_starts(FinWait2, 20ms);
  client.found(FinWait2, 20ms, {.dead = true}).moves(FinWait2, Closed, 20ms, orphan());
  client.minisock_expires(FinWait2, 60s);
  EXPECT_EQ(story.life(1).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 10ms, FIN_WAIT_1 10ms, FIN_WAIT_2 59980ms, CLOSED");
}

TEST(Snapshot, OfOldLeakIsFlaggedAtOnce) {
  Story story(flagging(CloseWait, 60s));
  story.server(7).found(CloseWait, 0ms, {.acked_ago = 25'001});  // 100 s
  is_answered(story, 20ms, still_in(CloseWait));
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised >=100020ms");
}

TEST(Snapshot, OfOrphanHasTheThresholdOfAnOrphan) {
  Story story(flagging_by_default());
  story.client(1).found(FinWait2, 0ms, {.dead = true});
  EXPECT_TRUE(questions(story, 64'990ms).empty());
  EXPECT_EQ(questions(story, 65'010ms).size(), 1U);
}

TEST(Snapshot, OfHiddenSocketIsForgotten) {
  Filter filter;
  filter.ports = {9};
  Story story(flagging(CloseWait, 1s), filter);
  story.server(7).found(CloseWait, 0ms);
  story.client(1).minisock_found(TimeWait, 0ms);
  EXPECT_EQ(story.lifecycle().open(), 0U);
  EXPECT_TRUE(questions(story, 1h).empty());
}

TEST(SnapshotOfRequest, GivesTheTimeOfTheSyn) {
  Story story;
  Conn request = story.server(7).request_found(0ms, -500ms);
  request.born(1s).request_cancelled(1s).moves(SynReceived, Established, 1s);
  EXPECT_EQ(story.life(7).states(), "LISTEN, SYN_RECEIVED 1500ms+-0.001ms, ESTABLISHED");
  EXPECT_EQ(story.life(7).last_socket().role, Role::Server);
}

TEST(SnapshotOfRequest, WithoutTimeOfTheSynGivesALowerBound) {
  Story story;
  Conn request = story.server(7).request_found(0ms, std::nullopt);
  request.request_expires(3s);
  story.waits_and_all_is_gone(4s);
  EXPECT_EQ(story.life_from(request.flow().remote.port).dwell(SynReceived), ">=3000ms");
}

TEST(SnapshotOfRequest, OfKnownRequestChangesNothing) {
  Story story;
  Conn request = story.server(7).request_starts(0ms).request_found(2s, 1s);
  EXPECT_EQ(story.lifecycle().open(), 1U);
  request.request_expires(3s);
  story.waits_and_all_is_gone(4s);
  EXPECT_EQ(story.life_from(request.flow().remote.port).dwell(SynReceived), "3000ms");
}

TEST(SnapshotOfRequest, AtAReusedAddressEndsThePrevious) {
  Story story;
  Conn old = story.server(7).request_at(0x77).request_starts(0ms);
  story.server(8).request_at(0x77).request_found(2s, 1s);
  EXPECT_EQ(story.life_from(old.flow().remote.port).verdict(),
            "unknown, opened by remote, closed by unknown");
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(SnapshotOfRequest, IsFlaggedByItsAge) {
  Story story(flagging(SynReceived, 2s));
  story.server(7).request_found(0ms, -5s);
  is_answered(story, 20ms, still_in(SynReceived));
  EXPECT_EQ(flags(story), "SYN_RECEIVED raised 5020ms+-0.001ms");
}

}  // namespace
}  // namespace tcpdwell::life_story
