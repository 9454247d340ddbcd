// SPDX-License-Identifier: Apache-2.0
// Two rings, one order: single steps, and then producers and a consumer that run at the same time.
#include "kernel/ring_pair.h"

#include <gmock/gmock.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_ring.h"

namespace tcpdwell {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RingPairTest : public ::testing::Test {
 protected:
  Drained drain(int most = 1000) {
    seen_.clear();
    return pair_.drain(most, [this](std::span<const std::byte> record) {
      seen_.emplace_back(reinterpret_cast<const char*>(record.data()), record.size());
    });
  }
  // As a producer does that finds the first ring full.
  void spill() {
    phase_ = second_.producer << TCPDWELL_PHASE_BITS | ((phase_ + 1) & TCPDWELL_PHASE_MASK);
  }
  std::uint64_t phase() const { return phase_ & TCPDWELL_PHASE_MASK; }

  FakeRing first_{4096}, second_{8192};
  __u64 phase_ = 0;
  RingPair pair_{first_.memory(), second_.memory(), phase_};
  std::vector<std::string> seen_;
};

TEST_F(RingPairTest, EmptyIsDrained) {
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, IsEmpty());
  EXPECT_FALSE(pair_.is_spilling());
}

TEST_F(RingPairTest, RingsAlternateInOrder) {
  first_.put("one");
  spill();
  second_.put("two");
  EXPECT_TRUE(pair_.is_spilling());
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("one", "two"));
  EXPECT_EQ(phase(), 2U) << "both are empty: the first one is used again";
  EXPECT_FALSE(pair_.is_spilling());
  first_.put("three");
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("three"));
  EXPECT_EQ(pair_.spills(), 1U);
}

TEST_F(RingPairTest, SecondRingWaitsForBusyRecordsOfTheFirst) {
  const std::size_t busy = first_.put("one", FakeRing::kBusy);
  spill();
  second_.put("two");
  EXPECT_EQ(drain(), Drained::UpToBusy);
  EXPECT_THAT(seen_, IsEmpty());
  first_.set_header(busy, 3);
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("one", "two"));
}

TEST_F(RingPairTest, FirstRingWaitsForBusyRecordsOfTheSecond) {
  spill();
  const std::size_t busy = second_.put("one", FakeRing::kBusy);
  EXPECT_EQ(drain(), Drained::UpToBusy);
  EXPECT_EQ(phase(), 1U) << "it is not empty";
  second_.set_header(busy, 3);
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("one"));
}

TEST_F(RingPairTest, ABatchMayEndInEitherRing) {
  first_.put("one");
  spill();
  second_.put("two");
  second_.put("three");
  EXPECT_EQ(drain(2), Drained::Batch);
  EXPECT_THAT(seen_, ElementsAre("one", "two"));
  EXPECT_EQ(phase(), 1U);
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("three"));
}

TEST_F(RingPairTest, SkipsDiscardedRecords) {
  spill();
  first_.put("late", FakeRing::kDiscarded);
  second_.put("one");
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("one"));
  second_.put("late", FakeRing::kDiscarded);
  first_.put("two");
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("two"));
  spill();
  second_.put("three");
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("three"));
}

TEST_F(RingPairTest, TheNumberOfThePhaseMayOverflow) {
  for (int i = 0; i < 40'000; ++i) {
    spill();
    second_.put("x");
    first_.put("late", FakeRing::kDiscarded);
    ASSERT_EQ(drain(), Drained::All);
    ASSERT_THAT(seen_, ElementsAre("x"));
  }
  EXPECT_EQ(pair_.spills(), 40'000U);
}

TEST_F(RingPairTest, ContinuesAfterAnEarlierReader) {
  first_.put("one");
  spill();
  second_.put("two");
  second_.put("three");
  EXPECT_EQ(drain(2), Drained::Batch);
  pair_ = RingPair(first_.memory(), second_.memory(), phase_);
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("three"));
  pair_ = RingPair(first_.memory(), second_.memory(), phase_);
  first_.put("four");
  EXPECT_EQ(drain(), Drained::All);
  EXPECT_THAT(seen_, ElementsAre("four"));
}

// Producers as bpf/emit.bpf.h has them, and sockets whose changes are made one after the other.
class Producers {
 public:
  Producers(FakeRing& first, FakeRing& second, __u64& phase)
      : first_{first}, second_{second}, phase_{phase} {}

  // One more change of a random socket; false: it was lost, since both rings are full.
  bool change(unsigned random) {
    Socket& socket = sockets_[random % sockets_.size()];
    const std::lock_guard lock(socket.mutex);
    const std::string record =
        std::to_string(random % sockets_.size()) + ' ' + std::to_string(socket.changes);
    if (!write(record, random)) return false;
    ++socket.changes;
    return true;
  }
  static constexpr std::size_t kSockets = 5;
  unsigned changes(std::size_t socket) const { return sockets_[socket].changes; }

 private:
  struct Ring {
    FakeRing& memory;
    std::mutex mutex;
    explicit Ring(FakeRing& of) : memory(of) {}
  };
  struct Socket {
    std::mutex mutex;
    unsigned changes = 0;
  };

  std::uint64_t load() const { return std::atomic_ref(phase_).load(); }
  static bool odd(std::uint64_t phase) { return phase % 2 != 0; }

  // Whatever can come in between two steps does, now and then.
  static void pause(unsigned& random) {
    random = random * 1664525U + 1013904223U;
    if ((random >> 16U) % 4 == 0) std::this_thread::yield();
  }

  bool write_to(Ring& ring, bool second, const std::string& record, unsigned& random) {
    std::size_t at = 0;
    {
      const std::lock_guard lock(ring.mutex);
      if (!ring.memory.reserve(record.size(), at)) return false;
    }
    pause(random);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const auto size = static_cast<std::uint32_t>(record.size());
    if (odd(load()) != second) {
      ring.memory.set_header(at, size | FakeRing::kDiscarded);
      return false;
    }
    pause(random);
    ring.memory.fill(at, record);
    ring.memory.set_header(at, size);
    return true;
  }

  void begin_spilling(unsigned& random) {
    std::uint64_t before = load();
    if (odd(before)) return;
    pause(random);
    const std::uint64_t end = std::atomic_ref(second_.memory.producer).load();
    pause(random);
    __u64 expected = before;
    std::atomic_ref(phase_).compare_exchange_strong(
        expected, end << TCPDWELL_PHASE_BITS | ((before + 1) & TCPDWELL_PHASE_MASK));
  }

  bool write(const std::string& record, unsigned random) {
    if (!odd(load())) {
      pause(random);
      if (write_to(first_, false, record, random)) return true;
      begin_spilling(random);
    }
    pause(random);
    if (write_to(second_, true, record, random)) return true;
    return !odd(load()) && write_to(first_, false, record, random);
  }

  Ring first_, second_;
  __u64& phase_;
  std::array<Socket, kSockets> sockets_;
};

TEST(RingPairAtOnce, EachSocketsChangesComeInTheirOrderAndAllOfThem) {
  constexpr unsigned kThreads = 4;
  constexpr std::uint64_t kSpills = 200;  // however long that takes
  FakeRing first(256), second(1024);
  __u64 phase = 0;
  RingPair pair(first.memory(), second.memory(), phase);
  Producers producers(first, second, phase);
  std::atomic<bool> enough = false;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      unsigned random = 12345U * (i + 1);
      while (!enough) {
        random = random * 1664525U + 1013904223U;
        if (!producers.change(random >> 8U)) std::this_thread::yield();
      }
    });
  std::array<unsigned, Producers::kSockets> seen{};
  std::uint64_t out_of_order = 0;
  const auto check = [&](std::span<const std::byte> record) {
    const std::string text(reinterpret_cast<const char*>(record.data()), record.size());
    const auto socket = static_cast<std::size_t>(std::stoul(text));
    if (std::stoul(text.substr(text.find(' '))) != seen[socket]++) ++out_of_order;
  };
  while (pair.spills() < kSpills)
    if (pair.drain(7, check) != Drained::Batch) std::this_thread::yield();
  enough = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pair.drain(1 << 30, check), Drained::All);
  EXPECT_EQ(out_of_order, 0U);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], producers.changes(i));
}

}  // namespace
}  // namespace tcpdwell
