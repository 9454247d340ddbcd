// SPDX-License-Identifier: Apache-2.0
#include "support/story.h"

namespace tcpdwell::test {
namespace {

using life_story::Story;

using enum State;

// A child event with its own cookie and flow.
TransitionEvent child(const Story& story, State from, State to, Nanos at) {
  auto event = story.moves(from, to, at, 5);
  event.flow = make_flow(80, 40000);
  event.attached = false;
  return event;
}

// A child's first event before 6.18: with the listener's cookie and flow.
TransitionEvent early_birth(const Story& story, Nanos at) {
  auto event = child(story, Listen, SynReceived, at);
  event.cookie = 3;
  event.flow.remote = {};
  return event;
}

class Birth : public testing::TestWithParam<bool> {
 protected:
  TransitionEvent birth(const Story& story, Nanos at) const {
    return GetParam() ? early_birth(story, at) : child(story, Listen, SynReceived, at);
  }
};
INSTANTIATE_TEST_SUITE_P(BothKernels, Birth, testing::Bool());

TEST_P(Birth, SynReceivedBeginsWithTheSyn) {
  Story story;
  story.on(story.request(TimerOp::Start, 0ms)).on(birth(story, 1533ms));
  story.on(story.request(TimerOp::Cancel, 1533ms));
  story.on(child(story, SynReceived, Established, 1533ms)).waits(5s);
  EXPECT_EQ(story.path(), "LISTEN SYN_RECEIVED ESTABLISHED");
  const auto transitions = story.all<TransitionRecord>();
  EXPECT_FALSE(transitions[0].dwell);
  EXPECT_EQ(transitions[0].when.mono, kBegan);
  EXPECT_EQ(transitions[0].socket.cookie, 5U);
  EXPECT_EQ(transitions[1].dwell->value, 1533ms);
  EXPECT_EQ(transitions[1].dwell->error, 0ns);
  EXPECT_EQ(transitions[1].socket.role, Role::Server);
  EXPECT_EQ(story.lifecycle().open(), 1U) << "request, child and newborn are one connection";
}

TEST_P(Birth, TimeOfSynIsUnknownWithASynCookie) {
  Story story;
  story.on(birth(story, 10ms)).on(child(story, SynReceived, Established, 10ms));
  EXPECT_EQ(story.path(), "LISTEN SYN_RECEIVED ESTABLISHED");
  EXPECT_EQ(story.all<TransitionRecord>()[1].dwell->error, std::nullopt);
}

TEST_P(Birth, FastOpenChildBeginsWithTheSynAndCanBeAccepted) {
  Story story;
  story.on(birth(story, 10ms));
  story.on(AcceptEvent{
      .at = kBegan + 20ms, .object = 0x1005, .cookie = 5, .task = make_process(8, "worker")});
  auto open = child(story, SynReceived, Established, 635ms);
  open.fastopen = true;
  story.on(open);
  const auto established = story.all<TransitionRecord>()[1];
  EXPECT_EQ(established.dwell->value, 625ms);
  EXPECT_EQ(established.dwell->error, 0ns);
  EXPECT_EQ(established.socket.owner->process.pid, 8U);
  EXPECT_EQ(established.socket.owner->via, Via::Accept);
}

TEST_P(Birth, FailedCreationOfAChildIsNotAConnection) {
  Story story;
  story.on(story.request(TimerOp::Start, 0ms)).on(birth(story, 5ms));
  story.on(child(story, SynReceived, Closed, 5ms));
  EXPECT_TRUE(story.records().empty());
  EXPECT_EQ(story.lifecycle().open(), 1U) << "the request still exists";
}

TEST(Request, TimesOutAfterItsRetransmits) {
  Story story;
  story.on(story.request(TimerOp::Start, 0ms));
  for (const auto& [at, retransmits] : {std::pair{1015ms, 1}, {3031ms, 2}}) {
    story.on(story.request(TimerOp::Cancel, at)).on(story.request(TimerOp::Expire, at));
    auto again = story.request(TimerOp::Start, at);
    again.retransmits = static_cast<std::uint8_t>(retransmits);
    story.on(again).waits_and_all_is_gone(at + 900ms);
  }
  EXPECT_TRUE(story.records().empty());
  story.on(story.request(TimerOp::Cancel, 7191ms)).on(story.request(TimerOp::Expire, 7191ms));
  story.waits_and_all_is_gone(8s);
  EXPECT_EQ(story.path(), "LISTEN SYN_RECEIVED CLOSED");
  EXPECT_EQ(story.dwell(SynReceived).value, 7191ms);
  EXPECT_EQ(story.connection().ended, Ended::Timeout);
  EXPECT_EQ(story.connection().closed_by, Side::None);
  EXPECT_EQ(story.connection().socket.cookie, 0U);
  EXPECT_EQ(story.connection().tally->retransmits, 2U);
}

TEST(Request, CancelAloneIsUnknownWithoutStacks) {
  Story story({.hz = kHz, .sees_cancellers = false});
  story.on(story.request(TimerOp::Start, 0ms)).on(story.request(TimerOp::Cancel, 100ms));
  story.waits_and_all_is_gone(500ms);
  EXPECT_EQ(story.connection().ended, Ended::Unknown)
      << "SOCK_DESTROY and the end of the namespace look the same";
}

TEST(Request, CancelAloneIsAnRst) {
  Story story;
  story.on(story.request(TimerOp::Start, 0ms)).on(story.request(TimerOp::Cancel, 100ms));
  story.waits_and_all_is_gone(500ms);
  EXPECT_EQ(story.connection().ended, Ended::ResetReceived);
  EXPECT_EQ(story.connection().closed_by, Side::Remote);
  EXPECT_EQ(story.dwell(SynReceived).value, 100ms);
}

TEST(Request, RstOfTheListenerJustBeforeIsOurs) {
  Story story;
  story.on(story.request(TimerOp::Start, 0ms));
  story.on(ResetEvent{.at = kBegan + 100ms, .cookie = 3, .state = Listen});
  story.on(story.request(TimerOp::Cancel, 100ms)).waits_and_all_is_gone(500ms);
  EXPECT_EQ(story.connection().ended, Ended::ResetSent);
}

TEST(Request, OfAClosedListenerIsDropped) {
  Story story;
  story.on(story.request(TimerOp::Start, 0ms));
  auto cancel = story.request(TimerOp::Cancel, 532ms);
  cancel.listener_closed = true;
  story.on(cancel).waits(1s);
  EXPECT_EQ(story.connection().ended, Ended::Dropped);
}

TEST(Request, KilledBySockDestroy) {
  Story story;
  story.on(story.request(TimerOp::Start, 0ms));
  auto cancel = story.request(TimerOp::Cancel, 50ms);
  cancel.canceller = Canceller::Abort;
  story.on(cancel).waits(1s);
  EXPECT_EQ(story.connection().ended, Ended::Killed);
}

TEST(Request, StrayTimerEventsAreIgnored) {
  Story story;
  story.on(story.request(TimerOp::Cancel, 1s)).on(story.request(TimerOp::Expire, 2s)).waits(5s);
  EXPECT_TRUE(story.records().empty());
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

TEST(Request, NewRequestAtTheSameAddressEndsThePrevious) {
  Story story;
  story.on(story.request(TimerOp::Start, 0ms)).on(story.request(TimerOp::Cancel, 100ms));
  auto next = story.request(TimerOp::Start, 101ms);
  next.flow = make_flow(80, 40001);
  story.on(next);
  EXPECT_EQ(story.connection().ended, Ended::ResetReceived);
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

}  // namespace
}  // namespace tcpdwell::test
