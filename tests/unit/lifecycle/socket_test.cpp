// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "support/story.h"

namespace tcpdwell::test {
namespace {

using life_story::Story;

using enum State;

TEST(Socket, PassiveClose) {
  Story story;
  story.connects().on(story.moves(Established, CloseWait, 50ms));
  auto close = story.moves(CloseWait, LastAck, 250ms);
  close.task = make_process(42);
  close.closing = true;
  story.on(close).on(story.moves(LastAck, Closed, 753ms));
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSED");
  EXPECT_EQ(story.dwell(CloseWait).value, 200ms);
  EXPECT_EQ(story.dwell(LastAck).value, 503ms);
  const auto connection = story.connection();
  EXPECT_EQ(connection.ended, Ended::Fin);
  EXPECT_EQ(connection.opened_by, Side::Local);
  EXPECT_EQ(connection.closed_by, Side::Remote);
  EXPECT_EQ(connection.closer->process.pid, 42U);
  EXPECT_EQ(connection.socket.owner->via, Via::Connect);
}

TEST(Socket, SimultaneousOpenAndCloseAreByBothSides) {
  Story story;
  story.on(story.moves(Closed, SynSent, 0ms)).on(story.moves(SynSent, SynReceived, 10ms));
  story.on(story.moves(SynReceived, Established, 318ms));
  story.on(story.moves(Established, FinWait1, 400ms)).on(story.moves(FinWait1, Closing, 401ms));
  story.on(story.timer(TimerOp::Start, TimeWait, 707ms)).on(story.moves(Closing, Closed, 707ms));
  story.on(story.timer(TimerOp::Expire, TimeWait, 61s));
  EXPECT_EQ(story.dwell(SynReceived).value, 308ms);
  EXPECT_EQ(story.dwell(Closing).value, 306ms);
  EXPECT_EQ(story.connection().opened_by, Side::Both);
  EXPECT_EQ(story.connection().closed_by, Side::Both);
}

TEST(Socket, ConnectWithoutPortIsNotAConnection) {
  Story story;
  for (const State to : {SynSent, Closed}) {
    auto event = story.moves(to == SynSent ? Closed : SynSent, to, 1ms);
    event.flow.local.port = 0;
    story.on(event);
  }
  story.lifecycle().finish(kBegan + 10s);
  EXPECT_EQ(story.all<FailedConnectsRecord>().size(), story.records().size());
  EXPECT_EQ(story.lifecycle().connections_ended(), 0U);
}

TEST(Socket, LateLocalPortIsInTheFirstRecord) {
  Story story;
  auto connect = story.moves(Closed, SynSent, 0ms);
  connect.flow.local.port = 0;
  story.on(connect);
  EXPECT_TRUE(story.records().empty());
  story.on(story.moves(SynSent, Established, 20ms));
  ASSERT_EQ(story.all<TransitionRecord>().size(), 2U);
  EXPECT_EQ(story.all<TransitionRecord>()[0].socket.flow.local.port, 40000);
}

TEST(Socket, SynRetransmitShowsThePortOfASlowConnect) {
  Story story;
  auto connect = story.moves(Closed, SynSent, 0ms);
  connect.flow.local.port = 0;
  story.on(connect).on(SynEvent{.at = kBegan + 1s, .cookie = 1, .flow = make_flow(41000)});
  ASSERT_EQ(story.records().size(), 1U);
  EXPECT_EQ(story.all<TransitionRecord>()[0].socket.flow.local.port, 41000);
}

TEST(Socket, ConnectWithUnknownPortIsPublishedAfterATimeout) {
  Story story;
  auto connect = story.moves(Closed, SynSent, 0ms);
  connect.flow.local.port = 0;
  story.on(connect).waits(3s);
  EXPECT_TRUE(story.records().empty());
  story.waits(5s);
  EXPECT_EQ(story.records().size(), 1U);
}

TEST(Socket, DisconnectedSocketKeepsItsFlow) {
  Story story;
  auto gone = story.moves(Established, Closed, 100ms);
  gone.flow.remote = {};
  gone.flow.local.addr = {};
  story.connects().on(gone);
  EXPECT_EQ(story.connection().socket.flow, make_flow());
  EXPECT_EQ(story.connection().ended, Ended::ResetSent);
}

TEST(Socket, LivesOfOneCookieAreSeparate) {
  Story story;
  for (const std::uint32_t life : {0U, 1U}) {
    auto connect = story.moves(Closed, SynSent, life * 1s);
    connect.life = life;
    auto refused = story.moves(SynSent, Closed, life * 1s + 1ms);
    refused.err = ECONNREFUSED;
    story.on(connect).on(refused);
  }
  const auto all = story.all<ConnectionRecord>();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].socket.life, 0U);
  EXPECT_EQ(all[1].socket.life, 1U);
  EXPECT_EQ(all[1].ended, Ended::Refused);
}

TEST(Socket, ListenerIsAConnection) {
  Story story;
  auto close = story.moves(Listen, Closed, 9s);
  close.closing = true;
  story.on(story.moves(Closed, Listen, 0ms)).on(close);
  EXPECT_EQ(story.connection().socket.role, Role::Listener);
  EXPECT_EQ(story.connection().ended, Ended::Closed);
  EXPECT_EQ(story.dwell(Listen).value, 9s);
}

TEST(Socket, ResetBeforeOrAfterTheEndIsOurs) {
  for (const bool before : {true, false}) {
    Story story;
    const ResetEvent reset{.at = kBegan + 99ms, .cookie = 1, .state = Established};
    auto gone = story.moves(Established, Closed, 100ms);
    gone.err = ECONNRESET;
    story.connects();
    if (before) story.on(reset);
    story.on(gone);
    if (!before) story.on(reset);
    EXPECT_EQ(story.connection().ended, Ended::ResetSent) << (before ? "before" : "after");
    EXPECT_EQ(story.connection().closed_by, Side::Local);
  }
}

TEST(Socket, ResetNotSentByUsIsReceived) {
  Story story;
  auto gone = story.moves(Established, Closed, 100ms);
  gone.err = ECONNRESET;
  story.connects().on(gone).waits(110ms);
  EXPECT_TRUE(story.all<ConnectionRecord>().empty()) << "an RST of ours may follow";
  story.waits(500ms);
  EXPECT_EQ(story.connection().ended, Ended::ResetReceived);
  EXPECT_EQ(story.connection().closed_by, Side::Remote);
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED CLOSED");
}

TEST(Socket, SenderOfRstIsUnknownWithoutResetEvents) {
  Story story({.hz = kHz, .watches_resets = false});
  auto gone = story.moves(Established, Closed, 100ms);
  gone.err = ECONNRESET;
  story.connects().on(gone);
  EXPECT_EQ(story.connection().ended, Ended::Unknown);
}

TEST(Socket, NoMinisockAndNoResetIsAnOverflow) {
  Story story;
  story.closes_first().on(story.moves(FinWait2, Closed, 200ms)).waits_and_all_is_gone(1s);
  EXPECT_EQ(story.connection().ended, Ended::Overflow);
  EXPECT_FALSE(story.connection().time_wait_ended);
}

TEST(Socket, NoMinisockAfterALossIsUnknown) {
  Story story;
  story.closes_first().on(story.moves(FinWait2, Closed, 200ms));
  story.on(LossEvent{.at = kBegan + 210ms, .events = 1}).waits_and_all_is_gone(1s);
  EXPECT_EQ(story.connection().ended, Ended::Unknown);
}

TEST(Socket, OwnerDoesNotChangeAndIsNeverGuessed) {
  Story story;
  story.on(story.moves(Established, CloseWait, 1s));
  EXPECT_FALSE(story.all<TransitionRecord>()[0].socket.owner);
  auto close = story.moves(CloseWait, LastAck, 2s);
  close.task = make_process(9, "closer");
  story.on(close);
  const auto owner = story.all<TransitionRecord>()[1].socket.owner;
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->process.pid, 9U);
  EXPECT_EQ(owner->via, Via::Close);
}

TEST(Socket, OlderThanTheTraceHasALowerBound) {
  Story story;
  story.on(story.moves(CloseWait, LastAck, 5s)).on(story.moves(LastAck, Closed, 6s));
  EXPECT_EQ(story.path(), "CLOSE_WAIT LAST_ACK CLOSED");
  EXPECT_EQ(story.dwell(CloseWait).value, 5s);
  EXPECT_EQ(story.dwell(CloseWait).error, std::nullopt);
  EXPECT_EQ(story.dwell(LastAck).error, 0ns);
  EXPECT_EQ(story.connection().closed_by, Side::Remote);
}

TEST(Socket, LostTransitionBecomesAnError) {
  Story story;
  story.connects().on(story.moves(FinWait1, FinWait2, 101ms));
  EXPECT_EQ(story.path(), "CLOSED SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2");
  const auto transitions = story.all<TransitionRecord>();
  EXPECT_EQ(transitions[2].dwell->value, 50ms);
  EXPECT_EQ(transitions[2].dwell->error, 50ms) << "between 0 and 100 ms";
  EXPECT_EQ(transitions[3].dwell->error, 50ms);
}

TEST(Socket, LostEndIsFoundByTheNextLifeOfTheCookie) {
  Story story;
  auto again = story.moves(Closed, SynSent, 10s);
  again.life = 1;
  story.connects().on(again);
  EXPECT_EQ(story.connection().ended, Ended::Unknown);
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

TEST(Socket, EqualAndDecreasingTimestampsGiveNoNegativeDwell) {
  Story story;
  story.on(story.moves(Closed, SynSent, 5ms)).on(story.moves(SynSent, Established, 5ms));
  story.on(story.moves(Established, CloseWait, 4ms));
  for (const auto& transition : story.all<TransitionRecord>())
    EXPECT_EQ(transition.dwell.value_or(Dwell{}).value, 0ns);
}

TEST(Socket, FullTableEvictsTheConnectionWithoutRecentEvents) {
  Story story({.hz = kHz, .max_connections = 2});
  story.connects(1).connects(2).connects(3);
  EXPECT_EQ(story.lifecycle().open(), 2U);
  EXPECT_EQ(story.lifecycle().evicted(), 1U);
  story.on(story.moves(Established, CloseWait, 1s, 1));
  const auto last = story.all<TransitionRecord>().back();
  EXPECT_EQ(last.dwell->value, 0ns) << "evicted: the dwell is not known";
  EXPECT_EQ(last.dwell->error, std::nullopt);
}

Filter of_pid(std::uint32_t pid) {
  Filter filter;
  filter.pids = {pid};
  return filter;
}

TEST(Filtered, LateOwnerLosesNoTransitions) {
  Story story({}, of_pid(8));
  auto birth = story.moves(Listen, SynReceived, 0ms, 5);
  auto open = story.moves(SynReceived, Established, 0ms, 5);
  story.on(birth).on(open);
  EXPECT_TRUE(story.records().empty());
  story.on(AcceptEvent{.at = kBegan + 1ms, .cookie = 5, .task = make_process(8)});
  EXPECT_EQ(story.path(), "LISTEN SYN_RECEIVED ESTABLISHED");
}

TEST(Filtered, HiddenConnectionIsStillTracked) {
  Story story({}, of_pid(8));
  auto refused = story.moves(SynSent, Closed, 1ms);
  refused.err = ECONNREFUSED;
  story.on(story.moves(Closed, SynSent, 0ms)).on(refused);
  EXPECT_TRUE(story.records().empty());
  EXPECT_EQ(story.lifecycle().open(), 0U);
  EXPECT_EQ(story.lifecycle().connections_ended(), 1U);
}

TEST(Filtered, ConnectionThatTheKernelFiltersIsForgotten) {
  Filter filter;
  filter.local_ports = {5000};
  Story story({}, filter);
  auto connect = story.moves(Closed, SynSent, 0ms);
  connect.flow.local.port = 0;  // passes: it might become 5000
  story.on(connect);
  EXPECT_EQ(story.lifecycle().open(), 1U);
  story.on(story.moves(SynSent, Established, 1ms));  // it became 40000
  EXPECT_EQ(story.lifecycle().open(), 0U);
  EXPECT_TRUE(story.records().empty());
}

}  // namespace
}  // namespace tcpdwell::test
