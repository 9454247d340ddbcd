// SPDX-License-Identifier: Apache-2.0
// Counts of `stats` in an interval and in total, and the open connections at its end.
#include "stats/stats.h"

#include "support/counted.h"

namespace tcpdwell::test {
namespace {

TEST(Stats, CountsEnteredAndLeft) {
  Counted counted;
  counted.connects(1, 1s, 4ms);
  counted.connects(2, 2s, 8ms);
  counted.closes(1, 5s);
  counted.wait(10s);
  EXPECT_EQ(counted.row(State::SynSent).entered, 2U);
  EXPECT_EQ(counted.row(State::SynSent).left, 2U);
  EXPECT_EQ(counted.row(State::SynSent).dwell.count, 2U);
  EXPECT_EQ(counted.row(State::SynSent).dwell.min, 4ms);
  EXPECT_EQ(counted.row(State::SynSent).dwell.max, 8ms);
  EXPECT_EQ(counted.row(State::Established).entered, 2U);
  EXPECT_EQ(counted.row(State::Established).left, 1U);
  EXPECT_EQ(counted.row(State::TimeWait).entered, 1U);
  EXPECT_EQ(counted.row(State::TimeWait).dwell.count, 0U);
  EXPECT_EQ(counted.now(), "ESTABLISHED 1, TIME_WAIT 1");
}

TEST(Stats, IntervalsAreContiguous) {
  Counted counted;
  counted.connects(1, 1s);
  counted.wait(9s);
  EXPECT_TRUE(counted.records.empty());
  counted.wait(10s + 3ms);
  EXPECT_EQ(counted.records.back().interval, 10s + 3ms);
  counted.wait(19s + 999ms);
  ASSERT_EQ(counted.records.size(), 1U) << "a late tick does not shift later intervals";
  counted.wait(20s);
  EXPECT_EQ(counted.records.back().interval, 10s - 3ms);
  EXPECT_EQ(counted.row(State::Established).entered, 0U);
  EXPECT_EQ(counted.now(), "ESTABLISHED 1");
  counted.wait(55s);
  EXPECT_EQ(counted.records.back().interval, 35s) << "without ticks it is one long interval";
  counted.wait(60s);
  EXPECT_EQ(counted.stats.intervals(), 4U);
}

TEST(Stats, TotalIsSumOfIntervals) {
  Counted counted;
  counted.connects(1, 1s, 1ms);
  counted.wait(10s);
  counted.connects(2, 11s, 3ms);
  counted.wait(20s);
  counted.connects(3, 21s, 2ms);
  const StatsRecord& total = counted.finish(25s);
  EXPECT_TRUE(total.total);
  EXPECT_EQ(total.interval, 25s);
  EXPECT_EQ(counted.row(State::SynSent).left, 3U);
  EXPECT_EQ(counted.row(State::SynSent).dwell.min, 1ms);
  EXPECT_EQ(counted.row(State::SynSent).dwell.max, 3ms);
  EXPECT_EQ(counted.now(), "ESTABLISHED 3");
  EXPECT_EQ(counted.records.size(), 3U);
}

TEST(Stats, CountsUnpublishedConnectionsAsOpen) {
  Counted counted;
  counted.tell(counted.request(TimerOp::Start, 1s));
  auto silent = counted.moves(State::Closed, State::SynSent, 2s, 7);
  silent.flow.local.port = 0;
  counted.tell(silent);
  counted.wait(10s - 1ms);
  counted.wait(10s);
  EXPECT_EQ(counted.now(), "SYN_SENT 1, SYN_RECEIVED 1");
  EXPECT_EQ(counted.row(State::SynReceived).entered, 0U)
      << "published only with the child or the end of the request sock";
}

TEST(Stats, PendingEndIsNotOpen) {
  Counted counted;
  counted.connects(1, 1s);
  counted.closes(1, 2s);
  counted.wait(9s);
  counted.tell(counted.minisock(TimerOp::Cancel, 10s - 1ms));
  counted.wait(10s);
  EXPECT_EQ(counted.now(), "") << "its timer is cancelled: the kernel has removed it";
}

TEST(Stats, FilteredConnectionsAreNotCounted) {
  Filter filter;
  filter.local_ports = {40002};
  Counted counted({}, filter);
  counted.connects(1, 1s);
  counted.connects(2, 1s);
  counted.tell(counted.request(TimerOp::Start, 2s));
  counted.wait(10s);
  EXPECT_EQ(counted.now(), "ESTABLISHED 1");
  EXPECT_EQ(counted.row(State::Established).entered, 1U);
}

TEST(Stats, UnknownOwnerFailsOwnerFilter) {
  Filter filter;
  filter.pids = {42};
  Counted counted({}, filter);
  counted.connects(1, 1s);
  counted.tell(counted.request(TimerOp::Start, 2s));
  counted.wait(10s);
  EXPECT_EQ(counted.now(), "ESTABLISHED 1");
}

TEST(Stats, CountsOnlyChosenStates) {
  StatsConfig config;
  config.states.set(index(State::SynSent));
  Filter filter;
  filter.states = config.states;
  Counted counted(config, filter);
  counted.connects(1, 1s);
  counted.wait(10s);
  ASSERT_EQ(counted.records.back().rows.size(), 1U);
  EXPECT_EQ(counted.row(State::SynSent).entered, 1U);
  EXPECT_EQ(counted.row(State::SynSent).left, 1U);
}

SnapshotEvent found(State state, Nanos at, std::uint64_t cookie) {
  SnapshotEvent event{.at = kBegan + at, .object = 0x1000 + cookie, .cookie = cookie};
  event.flow = make_flow(static_cast<std::uint16_t>(40000 + cookie));
  event.state = state;
  event.attached = true;
  return event;
}

TEST(Stats, FirstIntervalWaitsForSnapshot) {
  Counted counted;
  counted.table.snapshot_begins();
  counted.tell(found(State::CloseWait, 1s, 5));
  counted.wait(10s);
  EXPECT_TRUE(counted.records.empty()) << "only a part would be counted";
  ASSERT_TRUE(counted.stats.due());
  EXPECT_GT(*counted.stats.due(), kBegan + 10s) << "the caller must not wake up in a loop";
  counted.table.snapshot_ended();
  counted.wait(10s + 50ms);
  ASSERT_EQ(counted.records.size(), 1U);
  EXPECT_EQ(counted.now(), "CLOSE_WAIT 1");
  counted.table.snapshot_begins();  // after a loss: most sockets are known already
  counted.wait(20s);
  EXPECT_EQ(counted.records.size(), 2U);
}

TEST(Stats, InexactDwellsAreCountedApart) {
  Counted counted;
  counted.tell(found(State::Established, 1s, 5));
  auto close = counted.moves(State::Established, State::FinWait1, 4s, 5);
  counted.tell(close);
  counted.wait(10s);
  EXPECT_EQ(counted.row(State::Established).left, 1U);
  EXPECT_EQ(counted.row(State::Established).inexact, 1U) << "a lower bound";
  EXPECT_EQ(counted.row(State::Established).dwell.count, 0U);
}

TransitionRecord left_after(const Dwell& dwell) {
  TransitionRecord record;
  record.from = State::FinWait2;
  record.to = State::TimeWait;
  record.dwell = dwell;
  return record;
}

TEST(Stats, ErrorBelowResolutionIsExact) {
  Counted counted;
  counted.stats.write(left_after({640ms, 10ms}));
  counted.stats.write(left_after({640ms, 10ms + 1ns}));
  counted.stats.write(left_after({0ns, 0ns}));
  counted.stats.write(left_after({1s, std::nullopt}));
  counted.wait(10s);
  EXPECT_EQ(counted.row(State::FinWait2).left, 4U);
  EXPECT_EQ(counted.row(State::FinWait2).inexact, 2U);
  EXPECT_EQ(counted.row(State::FinWait2).dwell.count, 2U);
}

TEST(Stats, FlaggedInAnyPartOfInterval) {
  Counted counted;
  counted.tell(counted.moves(State::Closed, State::SynSent, 0s));
  counted.tell(counted.moves(State::SynSent, State::Established, 1s));
  counted.tell(counted.moves(State::Established, State::CloseWait, 2s));
  counted.wait(62s + 100ms);
  const auto questions = counted.table.take_questions();
  ASSERT_EQ(questions.size(), 1U);
  counted.tell(InquiryEvent{.at = kBegan + 62s + 200ms,
                            .id = questions[0].id,
                            .generation = questions[0].generation,
                            .serial = questions[0].serial,
                            .presence = Presence::Present,
                            .state = State::CloseWait,
                            .cookie = 1,
                            .attached = true});
  counted.wait(70s);
  EXPECT_EQ(counted.row(State::CloseWait).flagged, 1U);
  counted.wait(80s);
  EXPECT_EQ(counted.row(State::CloseWait).flagged, 1U) << "still";
  counted.tell(counted.moves(State::CloseWait, State::LastAck, 85s));
  counted.wait(90s);
  EXPECT_EQ(counted.row(State::CloseWait).flagged, 1U) << "raised until it was cleared";
  EXPECT_EQ(counted.row(State::CloseWait).now, 0U);
  counted.wait(100s);
  EXPECT_EQ(counted.row(State::CloseWait).flagged, 0U);
  counted.finish(101s);
  EXPECT_EQ(counted.row(State::CloseWait).flagged, 1U) << "counted once in the total";
}

TEST(Stats, HistogramOfChosenState) {
  Counted counted({.by = GroupBy::LocalPort, .histogram = State::SynSent});
  counted.connects(1, 1s, 4ms);
  counted.connects(2, 2s, 8ms);
  counted.wait(10s);
  ASSERT_TRUE(counted.records.back().histogram);
  EXPECT_EQ(counted.records.back().histogram->first, State::SynSent);
  EXPECT_EQ(counted.records.back().histogram->second.count(), 2U) << "of all groups";
}

TEST(Stats, PassesOnStartLossAndEnd) {
  Counted counted;
  counted.connects(1, 1s);
  counted.tell(LossEvent{.at = kBegan + 2s, .events = 3, .transitions = 2});
  counted.stats.write(EndRecord{});
  EXPECT_EQ(counted.others.records.size(), 3U);
  EXPECT_EQ(counted.others.all<LostRecord>().size(), 1U);
}

TEST(Stats, CountsHandshakesThatWereRetransmitted) {
  Counted counted;
  counted.connects_slowly(1, 1s, 3);
  counted.connects_slowly(2, 2s, 1);
  counted.connects_slowly(3, 2s, 0);  // not known
  counted.wait(10s);
  EXPECT_EQ(counted.records.back().handshakes_retransmitted, 1U);
  counted.connects_slowly(4, 11s, 2);
  counted.wait(20s);
  EXPECT_EQ(counted.records.back().handshakes_retransmitted, 1U);
  counted.wait(30s);
  EXPECT_EQ(counted.records.back().handshakes_retransmitted, 0U);
  EXPECT_EQ(counted.finish(31s).handshakes_retransmitted, 2U);
}

TEST(Stats, HandshakesAreNotCountedWithoutTheirStates) {
  StatsConfig config;
  config.states.set(index(State::Established));
  Counted counted(config);
  counted.connects_slowly(1, 1s, 3);
  counted.wait(10s);
  EXPECT_EQ(counted.records.back().handshakes_retransmitted, std::nullopt);
  Counted by_end({.by = GroupBy::ClosedBy});
  by_end.wait(10s);
  EXPECT_EQ(by_end.records.back().handshakes_retransmitted, std::nullopt);
}

std::string full_queues(const StatsRecord& record) {
  if (!record.accept_queues_full) return "not known";
  std::string all;
  for (const FullQueue& queue : *record.accept_queues_full)
    all += std::to_string(queue.listener) + ": " + std::to_string(queue.length) + ' ';
  return all;
}

TEST(Stats, SaysWhichAcceptQueuesWereFull) {
  Counted counted;
  counted.wait(10s);
  EXPECT_EQ(full_queues(counted.records.back()), "not known") << "no walk";
  counted.finds_queue(7, 2, 11s);
  counted.wait(20s);
  EXPECT_EQ(full_queues(counted.records.back()), "") << "two of two";
  counted.finds_queue(7, 3, 21s);
  counted.wait(22s);
  counted.finds_queue(8, 4, 23s);
  counted.wait(30s);
  EXPECT_EQ(full_queues(counted.records.back()), "8: 4 7: 3 ") << "at one walk of the interval";
  counted.finds_queue(7, 1, 31s);
  counted.wait(40s);
  EXPECT_EQ(full_queues(counted.records.back()), "");
  counted.wait(50s);
  EXPECT_EQ(full_queues(counted.records.back()), "not known");
  EXPECT_EQ(full_queues(counted.finish(51s)), "8: 4 7: 3 ");
}

TEST(Stats, FullAcceptQueuesPassTheFilter) {
  Filter filter;
  filter.local_ports = {443};
  Counted counted({}, filter);
  counted.finds_queue(7, 3, 1s);
  counted.wait(10s);
  EXPECT_EQ(full_queues(counted.records.back()), "");
}

}  // namespace
}  // namespace tcpdwell::test
