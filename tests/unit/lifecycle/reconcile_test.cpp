// SPDX-License-Identifier: Apache-2.0
// After a loss: a walk through all sockets corrects the table.
#include <gmock/gmock.h>

#include "support/story.h"

namespace tcpdwell::test {
namespace {

using life_story::Story;

class Reconcile : public ::testing::Test {
 protected:
  void lose(Nanos at, std::uint64_t events = 3) {
    story.on(LossEvent{
        .at = kBegan + at, .cause = LossCause::Recursion, .events = events, .transitions = events});
  }
  SnapshotEvent found(SocketKind kind, State state, Nanos at, std::uint64_t cookie = 1) const {
    SnapshotEvent event{.at = kBegan + at};
    event.kind = kind;
    event.object = 0x1000 + cookie;
    event.cookie = cookie;
    event.flow = make_flow();
    event.state = state;
    return event;
  }
  // The only question.
  Question question() {
    const auto questions = story.lifecycle().take_questions();
    EXPECT_EQ(questions.size(), 1U);
    return questions.empty() ? Question{} : questions.front();
  }
  static InquiryEvent answer(const Question& question, Presence presence, Nanos at) {
    InquiryEvent event{.at = kBegan + at,
                       .id = question.id,
                       .generation = question.generation,
                       .serial = question.serial};
    event.presence = presence;
    event.state = question.state;
    return event;
  }
  std::uint64_t resynced() {
    std::uint64_t sum = 0;
    for (const auto& record : story.all<LostRecord>()) sum += record.resynced;
    return sum;
  }
  Story story;
};

TEST_F(Reconcile, OnlyALossWantsAWalk) {
  story.connects();
  EXPECT_FALSE(story.lifecycle().wants_snapshot());
  lose(10ms, 0);
  EXPECT_FALSE(story.lifecycle().wants_snapshot()) << "no event for this table was lost";
  lose(20ms);
  EXPECT_TRUE(story.lifecycle().wants_snapshot());
  story.lifecycle().snapshot_begins();
  EXPECT_FALSE(story.lifecycle().wants_snapshot());
  lose(30ms);
  EXPECT_TRUE(story.lifecycle().wants_snapshot()) << "a loss during the walk makes it incomplete";
}

TEST_F(Reconcile, UnchangedSocketStays) {
  story.connects();
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.on(found(SocketKind::Full, State::Established, 30ms));
  story.lifecycle().snapshot_ended();
  EXPECT_TRUE(story.lifecycle().take_questions().empty());
  story.waits(5s);
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED");
  EXPECT_EQ(resynced(), 0U);
}

TEST_F(Reconcile, LostTransitionIsBridged) {
  story.connects();
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.on(found(SocketKind::Full, State::CloseWait, 31ms));
  story.lifecycle().snapshot_ended();
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED CLOSE_WAIT");
  const auto last = story.all<TransitionRecord>().back();
  EXPECT_EQ(last.dwell->error, 15ms) << "between 1 ms and 31 ms";
  story.waits(5s);
  EXPECT_EQ(resynced(), 1U);
}

TEST_F(Reconcile, MissingSocketIsAskedAboutAndEnded) {
  story.connects();
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  const Question asked = question();
  EXPECT_EQ(asked.cookie, 1U);
  EXPECT_EQ(story.lifecycle().open(), 1U) << "not before the answer";
  story.on(answer(asked, Presence::Gone, 40ms));
  EXPECT_EQ(story.lifecycle().open(), 0U);
  EXPECT_EQ(story.all<ConnectionRecord>().back().ended, Ended::Unknown);
  story.lifecycle().finish(kBegan + 50ms);
  EXPECT_EQ(resynced(), 1U);
}

TEST_F(Reconcile, SocketMissedByTheWalkStays) {
  story.connects();
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  story.on(answer(question(), Presence::Present, 40ms));
  EXPECT_EQ(story.lifecycle().open(), 1U);
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  story.on(answer(question(), Presence::Unknown, 50ms));
  EXPECT_EQ(story.lifecycle().open(), 1U) << "its namespace cannot be entered";
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED");
}

TEST_F(Reconcile, SocketBegunDuringTheWalkIsNotAskedAbout) {
  lose(0ms);
  story.lifecycle().snapshot_begins();
  story.connects();
  story.lifecycle().snapshot_ended();
  EXPECT_TRUE(story.lifecycle().take_questions().empty());
}

TEST_F(Reconcile, StaleAnswerIsIgnored) {
  story.connects();
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  const Question asked = question();
  story.on(story.moves(State::Established, State::CloseWait, 35ms));
  story.on(answer(asked, Presence::Present, 30ms));
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED CLOSE_WAIT");
  EXPECT_EQ(resynced(), 0U);
}

TEST_F(Reconcile, SocketAfterTheFirstWalkIsNotOlder) {
  using enum State;
  story.on(story.moves(Established, CloseWait, 10s, 1));
  story.lifecycle().snapshot_begins();
  story.on(story.moves(Established, CloseWait, 11s, 2));
  story.lifecycle().snapshot_ended();
  story.on(story.moves(Established, CloseWait, 12s, 3));
  std::vector<Nanos> dwells;
  for (const auto& moved : story.all<TransitionRecord>()) {
    ASSERT_TRUE(moved.dwell);
    EXPECT_EQ(moved.dwell->error, std::nullopt);
    dwells.push_back(moved.dwell->value);
  }
  EXPECT_THAT(dwells, testing::ElementsAre(10s, 11s, 0s)) << "the third began unseen";
}

TEST_F(Reconcile, UnseenChildOfARequestIsTheSameConnection) {
  story.on(story.request(TimerOp::Start, 0ms));
  lose(20ms);
  story.lifecycle().snapshot_begins();
  auto child = found(SocketKind::Full, State::Established, 30ms);
  child.flow = make_flow(80, 40000);
  story.on(child);
  story.lifecycle().snapshot_ended();
  EXPECT_TRUE(story.lifecycle().take_questions().empty());
  EXPECT_EQ(story.lifecycle().open(), 1U);
  EXPECT_EQ(story.path(), "LISTEN SYN_RECEIVED ESTABLISHED");
}

TEST_F(Reconcile, RequestFirstSeenAtARetransmitIsDated) {
  auto again = story.request(TimerOp::Start, 1000ms);
  again.retransmits = 1;
  story.on(again);
  auto request = found(SocketKind::Request, State::SynReceived, 1100ms, 0);
  request.object = 0x8000;
  request.flow = again.flow;
  request.syn_at = kBegan + 5ms;
  story.on(request);
  story.on(story.request(TimerOp::Expire, 63s)).waits_and_all_is_gone(64s);
  EXPECT_EQ(story.dwell(State::SynReceived).value, 63s - 5ms);
  EXPECT_EQ(story.dwell(State::SynReceived).error, 1us);
}

TEST_F(Reconcile, UnseenChildOfARequestIsFoundByALaterTransition) {
  story.on(story.request(TimerOp::Start, 0ms));
  lose(20ms);
  auto fin = story.moves(State::Established, State::CloseWait, 30ms);
  fin.flow = make_flow(80, 40000);
  story.on(fin);
  EXPECT_EQ(story.lifecycle().open(), 1U);
  EXPECT_EQ(story.path(), "LISTEN SYN_RECEIVED ESTABLISHED CLOSE_WAIT");
}

TEST_F(Reconcile, AnotherSocketAtItsAddressesEndsARequest) {
  story.on(story.request(TimerOp::Start, 0ms));
  auto other = story.moves(State::Closed, State::SynSent, 10ms, 9);
  other.flow = make_flow(90, 40000);
  story.on(other);
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.on(found(SocketKind::Full, State::SynSent, 25ms, 9));
  story.lifecycle().snapshot_ended();
  auto found_there = answer(question(), Presence::Present, 30ms);
  found_there.kind = SocketKind::Full;
  found_there.cookie = 9;
  story.on(found_there);
  EXPECT_EQ(story.lifecycle().open(), 1U);
  EXPECT_FALSE(story.lifecycle().wants_snapshot());
}

TEST_F(Reconcile, UnfinishedNewbornIsForgotten) {
  story.on(story.moves(State::Listen, State::SynReceived, 0ms));
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  EXPECT_EQ(story.lifecycle().open(), 0U);
  EXPECT_TRUE(story.all<ConnectionRecord>().empty());
}

TEST_F(Reconcile, LostEndLimitsTheLowerBoundToTheLastSighting) {
  story.lifecycle().snapshot_begins();
  story.on(found(SocketKind::Full, State::CloseWait, 10ms));
  story.lifecycle().snapshot_ended();
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  story.on(answer(question(), Presence::Gone, 5s));
  const auto ends = story.all<ConnectionRecord>();
  ASSERT_EQ(ends.size(), 1U);
  const auto& dwell = ends[0].dwell[index(State::CloseWait)];
  ASSERT_TRUE(dwell);
  EXPECT_FALSE(dwell->error) << "a lower bound";
  EXPECT_LE(dwell->value, 10ms) << "it may have ended right after the walk";
}

TEST_F(Reconcile, AddressAfterALossDoesNotIdentifyANewborn) {
  auto child = story.moves(State::Listen, State::SynReceived, 10ms);
  child.object = 0x1001;
  story.on(child);
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.on(found(SocketKind::Full, State::Established, 30ms));
  story.lifecycle().snapshot_ended();
  for (const auto& record : story.all<TransitionRecord>())
    EXPECT_NE(record.from, State::SynReceived);
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST_F(Reconcile, MinisockWithLostStartIsTheSameConnection) {
  story.closes_first();
  lose(110ms);
  story.lifecycle().snapshot_begins();
  auto minisock = found(SocketKind::Minisock, State::TimeWait, 120ms);
  minisock.left_jiffies = 15000;
  story.on(minisock);
  story.lifecycle().snapshot_ended();
  EXPECT_EQ(story.lifecycle().open(), 1U);
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT");
  auto expiry = story.timer(TimerOp::Expire, State::TimeWait, 60s, 1, minisock.object);
  story.on(expiry);
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST_F(Reconcile, MinisockWithoutCookieIsAskedAboutByAddresses) {
  story.on(story.timer(TimerOp::Start, State::TimeWait, 0ms, 0));
  auto gone = story.moves(State::FinWait2, State::Closed, 0ms, 5);
  story.on(gone);
  lose(20ms);
  story.lifecycle().snapshot_begins();
  story.lifecycle().snapshot_ended();
  const Question asked = question();
  EXPECT_EQ(asked.cookie, 0U) << "cookie 5 was assigned after the minisock was created";
  auto found = answer(asked, Presence::Present, 30ms);
  found.kind = SocketKind::Full;
  story.on(found);
  EXPECT_EQ(story.lifecycle().open(), 0U) << "another socket has its addresses";
}

}  // namespace
}  // namespace tcpdwell::test
