// SPDX-License-Identifier: Apache-2.0
// After a loss: a walk through all sockets corrects the table.
#include <gmock/gmock.h>

#include "support/story.h"

namespace tcpdwell::test {
namespace {

class Reconcile : public ::testing::Test {
 protected:
  void lose(Nanos at, std::uint64_t events = 3) {
    story.tell(LossEvent{
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
    const auto questions = story.table.take_questions();
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
    for (const auto& record : story.said.all<LostRecord>()) sum += record.resynced;
    return sum;
  }
  Story story;
};

TEST_F(Reconcile, OnlyALossWantsAWalk) {
  story.connects();
  EXPECT_FALSE(story.table.wants_snapshot());
  lose(10ms, 0);
  EXPECT_FALSE(story.table.wants_snapshot()) << "no event for this table was lost";
  lose(20ms);
  EXPECT_TRUE(story.table.wants_snapshot());
  story.table.snapshot_begins();
  EXPECT_FALSE(story.table.wants_snapshot());
  lose(30ms);
  EXPECT_TRUE(story.table.wants_snapshot()) << "a loss during the walk makes it incomplete";
}

TEST_F(Reconcile, UnchangedSocketStays) {
  story.connects();
  lose(20ms);
  story.table.snapshot_begins();
  story.tell(found(SocketKind::Full, State::Established, 30ms));
  story.table.snapshot_ended();
  EXPECT_TRUE(story.table.take_questions().empty());
  story.wait(5s);
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED");
  EXPECT_EQ(resynced(), 0U);
}

TEST_F(Reconcile, LostTransitionIsBridged) {
  story.connects();
  lose(20ms);
  story.table.snapshot_begins();
  story.tell(found(SocketKind::Full, State::CloseWait, 31ms));
  story.table.snapshot_ended();
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED CLOSE_WAIT");
  const auto last = story.said.all<TransitionRecord>().back();
  EXPECT_EQ(last.dwell->error, 15ms) << "between 1 ms and 31 ms";
  story.wait(5s);
  EXPECT_EQ(resynced(), 1U);
}

TEST_F(Reconcile, MissingSocketIsAskedAboutAndEnded) {
  story.connects();
  lose(20ms);
  story.table.snapshot_begins();
  story.table.snapshot_ended();
  const Question asked = question();
  EXPECT_EQ(asked.cookie, 1U);
  EXPECT_EQ(story.table.open(), 1U) << "not before the answer";
  story.tell(answer(asked, Presence::Gone, 40ms));
  EXPECT_EQ(story.table.open(), 0U);
  EXPECT_EQ(story.said.all<ConnectionRecord>().back().ended, Ended::Unknown);
  story.table.finish(kBegan + 50ms);
  EXPECT_EQ(resynced(), 1U);
}

TEST_F(Reconcile, SocketMissedByTheWalkStays) {
  story.connects();
  lose(20ms);
  story.table.snapshot_begins();
  story.table.snapshot_ended();
  story.tell(answer(question(), Presence::Present, 40ms));
  EXPECT_EQ(story.table.open(), 1U);
  story.table.snapshot_begins();
  story.table.snapshot_ended();
  story.tell(answer(question(), Presence::Unknown, 50ms));
  EXPECT_EQ(story.table.open(), 1U) << "its namespace cannot be entered";
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED");
}

TEST_F(Reconcile, SocketBegunDuringTheWalkIsNotAskedAbout) {
  lose(0ms);
  story.table.snapshot_begins();
  story.connects();
  story.table.snapshot_ended();
  EXPECT_TRUE(story.table.take_questions().empty());
}

TEST_F(Reconcile, StaleAnswerIsIgnored) {
  story.connects();
  lose(20ms);
  story.table.snapshot_begins();
  story.table.snapshot_ended();
  const Question asked = question();
  story.tell(story.moves(State::Established, State::CloseWait, 35ms));
  story.tell(answer(asked, Presence::Present, 30ms));
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED CLOSE_WAIT");
  EXPECT_EQ(resynced(), 0U);
}

TEST_F(Reconcile, SocketAfterTheFirstWalkIsNotOlder) {
  using enum State;
  story.tell(story.moves(Established, CloseWait, 10s, 1));
  story.table.snapshot_begins();
  story.tell(story.moves(Established, CloseWait, 11s, 2));
  story.table.snapshot_ended();
  story.tell(story.moves(Established, CloseWait, 12s, 3));
  std::vector<Nanos> dwells;
  for (const auto& moved : story.said.all<TransitionRecord>()) {
    ASSERT_TRUE(moved.dwell);
    EXPECT_EQ(moved.dwell->error, std::nullopt);
    dwells.push_back(moved.dwell->value);
  }
  EXPECT_THAT(dwells, testing::ElementsAre(10s, 11s, 0s)) << "the third began unseen";
}

TEST_F(Reconcile, UnseenChildOfARequestIsTheSameConnection) {
  story.tell(story.request(TimerOp::Start, 0ms));
  lose(20ms);
  story.table.snapshot_begins();
  auto child = found(SocketKind::Full, State::Established, 30ms);
  child.flow = make_flow(80, 40000);
  story.tell(child);
  story.table.snapshot_ended();
  EXPECT_TRUE(story.table.take_questions().empty());
  EXPECT_EQ(story.table.open(), 1U);
  EXPECT_EQ(story.path(), "LISTEN SYN_RECEIVED ESTABLISHED");
}

TEST_F(Reconcile, RequestFirstSeenAtARetransmitIsDated) {
  auto again = story.request(TimerOp::Start, 1000ms);
  again.retransmits = 1;
  story.tell(again);
  auto request = found(SocketKind::Request, State::SynReceived, 1100ms, 0);
  request.object = 0x8000;
  request.flow = again.flow;
  request.syn_at = kBegan + 5ms;
  story.tell(request);
  story.tell(story.request(TimerOp::Expire, 63s)).wait_and_all_is_gone(64s);
  EXPECT_EQ(story.dwell(State::SynReceived).value, 63s - 5ms);
  EXPECT_EQ(story.dwell(State::SynReceived).error, 1us);
}

TEST_F(Reconcile, UnseenChildOfARequestIsFoundByALaterTransition) {
  story.tell(story.request(TimerOp::Start, 0ms));
  lose(20ms);
  auto fin = story.moves(State::Established, State::CloseWait, 30ms);
  fin.flow = make_flow(80, 40000);
  story.tell(fin);
  EXPECT_EQ(story.table.open(), 1U);
  EXPECT_EQ(story.path(), "LISTEN SYN_RECEIVED ESTABLISHED CLOSE_WAIT");
}

TEST_F(Reconcile, AnotherSocketAtItsAddressesEndsARequest) {
  story.tell(story.request(TimerOp::Start, 0ms));
  auto other = story.moves(State::Closed, State::SynSent, 10ms, 9);
  other.flow = make_flow(90, 40000);
  story.tell(other);
  lose(20ms);
  story.table.snapshot_begins();
  story.tell(found(SocketKind::Full, State::SynSent, 25ms, 9));
  story.table.snapshot_ended();
  auto found_there = answer(question(), Presence::Present, 30ms);
  found_there.kind = SocketKind::Full;
  found_there.cookie = 9;
  story.tell(found_there);
  EXPECT_EQ(story.table.open(), 1U);
  EXPECT_FALSE(story.table.wants_snapshot());
}

TEST_F(Reconcile, UnfinishedNewbornIsForgotten) {
  story.tell(story.moves(State::Listen, State::SynReceived, 0ms));
  lose(20ms);
  story.table.snapshot_begins();
  story.table.snapshot_ended();
  EXPECT_EQ(story.table.open(), 0U);
  EXPECT_TRUE(story.said.all<ConnectionRecord>().empty());
}

TEST_F(Reconcile, LostEndLimitsTheLowerBoundToTheLastSighting) {
  story.table.snapshot_begins();
  story.tell(found(SocketKind::Full, State::CloseWait, 10ms));
  story.table.snapshot_ended();
  lose(20ms);
  story.table.snapshot_begins();
  story.table.snapshot_ended();
  story.tell(answer(question(), Presence::Gone, 5s));
  const auto ends = story.said.all<ConnectionRecord>();
  ASSERT_EQ(ends.size(), 1U);
  const auto& dwell = ends[0].dwell[index(State::CloseWait)];
  ASSERT_TRUE(dwell);
  EXPECT_FALSE(dwell->error) << "a lower bound";
  EXPECT_LE(dwell->value, 10ms) << "it may have ended right after the walk";
}

TEST_F(Reconcile, AddressAfterALossDoesNotIdentifyANewborn) {
  auto child = story.moves(State::Listen, State::SynReceived, 10ms);
  child.object = 0x1001;
  story.tell(child);
  lose(20ms);
  story.table.snapshot_begins();
  story.tell(found(SocketKind::Full, State::Established, 30ms));
  story.table.snapshot_ended();
  for (const auto& record : story.said.all<TransitionRecord>())
    EXPECT_NE(record.from, State::SynReceived);
  EXPECT_EQ(story.table.open(), 1U);
}

TEST_F(Reconcile, MinisockWithLostStartIsTheSameConnection) {
  story.closes_first();
  lose(110ms);
  story.table.snapshot_begins();
  auto minisock = found(SocketKind::Minisock, State::TimeWait, 120ms);
  minisock.left_jiffies = 15000;
  story.tell(minisock);
  story.table.snapshot_ended();
  EXPECT_EQ(story.table.open(), 1U);
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT");
  auto expiry = story.timer(TimerOp::Expire, State::TimeWait, 60s, 1, minisock.object);
  story.tell(expiry);
  EXPECT_EQ(story.table.open(), 0U);
}

TEST_F(Reconcile, MinisockWithoutCookieIsAskedAboutByAddresses) {
  story.tell(story.timer(TimerOp::Start, State::TimeWait, 0ms, 0));
  auto gone = story.moves(State::FinWait2, State::Closed, 0ms, 5);
  story.tell(gone);
  lose(20ms);
  story.table.snapshot_begins();
  story.table.snapshot_ended();
  const Question asked = question();
  EXPECT_EQ(asked.cookie, 0U) << "cookie 5 was assigned after the minisock was created";
  auto found = answer(asked, Presence::Present, 30ms);
  found.kind = SocketKind::Full;
  story.tell(found);
  EXPECT_EQ(story.table.open(), 0U) << "another socket has its addresses";
}

}  // namespace
}  // namespace tcpdwell::test
