// SPDX-License-Identifier: Apache-2.0
// From the ring's bytes to the table: what is counted, and how a loss is told.
#include "session/loss_monitor.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "support/wire_bytes.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;
using namespace wire_bytes;

template <typename Raw>
Raw record(std::uint8_t kind, std::uint8_t op = 0) {
  Raw raw{};
  raw.head.at_ns = 5'000'000'000;
  raw.head.version = TCPDWELL_WIRE_VERSION;
  raw.head.kind = kind;
  raw.head.op = op;
  return raw;
}

tcpdwell_transition connects() {
  auto raw = record<tcpdwell_transition>(TCPDWELL_TRANSITION);
  raw.cookie = 7;
  raw.flow.family = TCPDWELL_FAMILY_IPV4;
  raw.flow.local_port = 40000;
  raw.from = 7;
  raw.to = 2;
  return raw;
}

class LossMonitorTest : public testing::Test, private Sink {
 protected:
  // "ring_full 3/1" for each loss: events and transitions; "+9" for what may be more
  std::string losses() const {
    std::string all;
    for (const LostRecord& lost : lost_) {
      all += (all.empty() ? "" : ", ") + std::string(name(lost.cause)) + ' ' +
             std::to_string(lost.events) + '/' + std::to_string(lost.transitions);
      if (lost.at_most != 0) all += '+' + std::to_string(lost.at_most);
    }
    return all;
  }

 private:
  void write(const Record& record) noexcept override {
    if (const auto* lost = std::get_if<LostRecord>(&record)) lost_.push_back(*lost);
    if (const auto* told = std::get_if<TransitionRecord>(&record)) told_.push_back(*told);
  }
  Filter filter_;
  std::vector<LostRecord> lost_;

 protected:
  Lifecycle lifecycle_{{}, filter_, *this};
  void drain(std::span<const std::byte> record) {
    loss_monitor_.handle(record);
    loss_monitor_.drained();
  }
  // What the end of the run would say of it.
  EndRecord end() {
    pipeline_.user_event(Finished{.at = 9s});
    return pipeline_.end();
  }

  const StartRecord start_{};
  EventPipeline pipeline_{start_, lifecycle_, *this};
  LossMonitor loss_monitor_{pipeline_};
  tcpdwell_shared shared_{};
  std::vector<TransitionRecord> told_;
};

TEST_F(LossMonitorTest, LossPrecedesLaterRecords) {
  auto closes = connects();
  closes.from = 1;
  closes.to = 4;
  closes.flow.remote_port = 80;
  loss_monitor_.watch(shared_);
  shared_.lost_events = 3;  // how it became ESTABLISHED is among them
  drain(bytes(closes));
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].dwell->value, 0s) << "it need not have been there since the trace began";
  EXPECT_EQ(losses(), "") << "how much it was is told once, after the batch";
  loss_monitor_.check_ring_loss(shared_, 6s);
  EXPECT_EQ(losses(), "ring_full 3/0");
}

TEST_F(LossMonitorTest, HandsEventsToTheTableAndCountsThem) {
  const auto transition = connects();
  const auto reset = record<tcpdwell_reset>(TCPDWELL_RESET, TCPDWELL_RESET_SENT);
  drain(bytes(transition));
  EXPECT_EQ(lifecycle_.open(), 1U);
  EXPECT_EQ(pipeline_.last_at(), 5s);
  auto later = reset;
  later.head.at_ns += 1'000'000'000;
  later.state = 1;
  drain(bytes(later));
  EXPECT_EQ(pipeline_.last_at(), 6s);
  EXPECT_EQ(end().events, 2U);
  EXPECT_EQ(end().transitions, 1U);
}

TEST_F(LossMonitorTest, SnapshotRecordsAreNoEvents) {
  auto found = record<tcpdwell_snapshot>(TCPDWELL_SNAPSHOT, TCPDWELL_FULL);
  found.cookie = 7;
  found.flow.family = TCPDWELL_FAMILY_IPV4;
  found.state = 8;
  drain(bytes(found));
  EXPECT_EQ(lifecycle_.open(), 1U) << "but the table has it";
  EXPECT_EQ(loss_monitor_.records(), 1U);
  EXPECT_EQ(end().events, 0U);
}

TEST_F(LossMonitorTest, DamageIsReportedOnce) {
  const std::array<std::byte, 200> noise{};
  drain(noise);
  drain(std::span(noise).first(3));
  drain({});
  EXPECT_EQ(losses(), "") << "not in the middle of a drain";
  loss_monitor_.check_ring_loss(shared_, 1s);
  loss_monitor_.check_ring_loss(shared_, 2s);
  EXPECT_EQ(losses(), "damaged 3/0");
  EXPECT_EQ(end().lost, 3U);
  EXPECT_EQ(end().transitions_lost, 0U);
  EXPECT_EQ(pipeline_.last_at(), Nanos{0}) << "it has no time";
}

TEST_F(LossMonitorTest, FullRingReportsNewLosses) {
  loss_monitor_.check_ring_loss(shared_, 1s);
  EXPECT_EQ(losses(), "");
  shared_.lost_events = 5;
  shared_.lost_transitions = 2;
  loss_monitor_.check_ring_loss(shared_, 2s);
  loss_monitor_.check_ring_loss(shared_, 3s);
  shared_.lost_events = 6;
  loss_monitor_.check_ring_loss(shared_, 4s);
  EXPECT_EQ(losses(), "ring_full 5/2, ring_full 1/0");
  EXPECT_EQ(end().lost, 6U);
  EXPECT_EQ(end().transitions_lost, 2U);
}

TEST_F(LossMonitorTest, SkippedProgramsCountAsLosses) {
  loss_monitor_.check_missed({}, 1s);
  loss_monitor_.check_missed({.transitions = 2, .at_most = 9}, 2s);
  loss_monitor_.check_missed({.transitions = 2, .at_most = 9}, 3s);
  loss_monitor_.check_missed({.transitions = 2, .at_most = 10}, 4s);
  EXPECT_EQ(losses(), "recursion 2/2+9, recursion 0/0+1");
  EXPECT_EQ(end().lost, 2U);
  EXPECT_EQ(end().transitions_lost, 2U);
}

TEST_F(LossMonitorTest, IgnoresLossesFromBeforeTheSession) {
  shared_.lost_events = 5;
  shared_.lost_transitions = 2;
  loss_monitor_.begin(shared_, {.transitions = 3, .at_most = 4});
  loss_monitor_.check_ring_loss(shared_, 1s);
  loss_monitor_.check_missed({.transitions = 3, .at_most = 4}, 1s);
  EXPECT_EQ(losses(), "");
  EXPECT_EQ(end().ring_full, 0U);
  shared_.lost_events = 6;
  loss_monitor_.check_ring_loss(shared_, 2s);
  loss_monitor_.check_missed({.transitions = 4, .at_most = 4}, 2s);
  EXPECT_EQ(losses(), "ring_full 1/0, recursion 1/1");
  EXPECT_EQ(end().ring_full, 1U);
  EXPECT_EQ(end().lost, 2U);
}

}  // namespace
}  // namespace tcpdwell
