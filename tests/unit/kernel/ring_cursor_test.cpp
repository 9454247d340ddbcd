// SPDX-License-Identifier: Apache-2.0
#include "kernel/ring_cursor.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "support/fake_ring.h"

namespace tcpdwell {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint32_t kBusy = FakeRing::kBusy;
constexpr std::uint32_t kDiscarded = FakeRing::kDiscarded;

class RingCursorTest : public ::testing::Test {
 protected:
  Drained drain(int most = 1000) { return drain(cursor_, most); }
  Drained drain(RingCursor& cursor, int most, std::optional<RingCursor::Position> until = {}) {
    seen_.clear();
    return cursor.drain(most, until, [this](std::span<const std::byte> record) {
      seen_.emplace_back(reinterpret_cast<const char*>(record.data()), record.size());
      consumer_seen_.push_back(ring_.consumer);
    });
  }
  FakeRing ring_{4096};
  RingCursor cursor_{ring_.memory()};
  std::vector<std::string> seen_;
  std::vector<RingCursor::Position> consumer_seen_;
};

TEST_F(RingCursorTest, AnEmptyRingIsDrained) {
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(RingCursorTest, HandsOverInOrderAndGivesTheRoomBack) {
  ring_.put("one");
  ring_.put("a second of sixteen");
  ring_.put("");
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("one", "a second of sixteen", ""));
  EXPECT_EQ(ring_.consumer, ring_.producer);
}

TEST_F(RingCursorTest, SkipsWhatWasDiscarded) {
  ring_.put("one");
  ring_.put("never mind", kDiscarded);
  ring_.put("two");
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("one", "two"));
}

TEST_F(RingCursorTest, StopsAtABusyRecord) {
  ring_.put("one");
  const std::size_t busy = ring_.put("two", kBusy);
  ring_.put("three");
  EXPECT_EQ(drain(), Drained::UpToBusy);
  EXPECT_THAT(seen_, ElementsAre("one"));
  EXPECT_EQ(ring_.consumer, busy);
  ring_.set_header(busy, 3);
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("two", "three"));
}

TEST_F(RingCursorTest, EndsABatch) {
  for (const char* record : {"one", "two", "three"}) ring_.put(record);
  EXPECT_EQ(drain(2), Drained::Batch);
  EXPECT_THAT(seen_, ElementsAre("one", "two"));
  EXPECT_EQ(ring_.consumer, 32U);
  EXPECT_EQ(drain(1), Drained::All) << "nothing is left, whether or not the batch is full";
  EXPECT_THAT(seen_, ElementsAre("three"));
}

TEST_F(RingCursorTest, StopsWhereItIsToldTo) {
  ring_.put("one");
  const std::size_t end = ring_.put("two");
  EXPECT_EQ(drain(cursor_, 10, end), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("one"));
  EXPECT_EQ(ring_.consumer, end);
  EXPECT_EQ(drain(cursor_, 10, end), Drained::All) << "it is there already";
  EXPECT_THAT(seen_, IsEmpty());
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("two"));
}

TEST_F(RingCursorTest, GoesAroundTheRing) {
  for (int i = 0; i < 2000; ++i) {
    ring_.put(std::to_string(i) + std::string(static_cast<std::size_t>(i % 90), 'x'));
    ASSERT_EQ(drain(), Drained::All);
    ASSERT_EQ(seen_.size(), 1U);
    ASSERT_EQ(seen_[0], std::to_string(i) + std::string(static_cast<std::size_t>(i % 90), 'x'));
  }
  EXPECT_GT(ring_.consumer, 10 * 4096U);
}

TEST_F(RingCursorTest, PositionsMayOverflow) {
  ring_.consumer = ring_.producer = ~RingCursor::Position{0} - 15;  // a multiple of 8
  RingCursor cursor(ring_.memory());
  for (const char* record : {"one", "two", "three"}) ring_.put(record);
  EXPECT_EQ(drain(cursor, 10), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("one", "two", "three"));
  EXPECT_EQ(ring_.consumer, 32U);
}

TEST_F(RingCursorTest, GivesRoomBackInTheMiddleOfABatchButNotWithEachRecord) {
  for (int i = 0; i < 100; ++i) ring_.put(std::string(24, 'x'));
  EXPECT_EQ(drain(), Drained::All);
  consumer_seen_.erase(std::unique(consumer_seen_.begin(), consumer_seen_.end()),
                       consumer_seen_.end());
  EXPECT_THAT(consumer_seen_, ElementsAre(0, 512, 1024, 1536, 2048, 2560, 3072));
}

TEST_F(RingCursorTest, ContinuesAfterAnEarlierReader) {
  ring_.put("one");
  drain();
  ring_.put("two");
  RingCursor next(ring_.memory());
  EXPECT_EQ(drain(next, 10), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("two"));
}

}  // namespace
}  // namespace tcpdwell
