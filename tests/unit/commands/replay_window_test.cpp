// SPDX-License-Identifier: Apache-2.0
// What of a replay --since and --until let through.
#include "commands/replay_window.h"

#include <gtest/gtest.h>

#include <string>

#include "support/counted.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kBeginning = 1000s, kWall = 1'795'953'600s;

When at(Nanos offset) { return {kBeginning + offset, kWall + offset}; }

ReplayWindow window(const char* since, const char* until) {
  ReplayWindow window;
  if (since != nullptr) window.since = parse_replay_time(since);
  if (until != nullptr) window.until = parse_replay_time(until);
  return window;
}

// The seconds of the transitions that pass, between what always passes.
class Passed final : public Sink {
 public:
  void write(const Record& record) noexcept override {
    if (std::holds_alternative<StartRecord>(record)) text += '[';
    if (std::holds_alternative<EndRecord>(record)) text += ']';
    if (const auto* transition = std::get_if<TransitionRecord>(&record))
      text += std::to_string((transition->when.mono - kBeginning) / 1s);
  }
  std::string text;
};

std::string passed(const ReplayWindow& window, bool* late = nullptr) {
  Passed sink;
  WindowSink windowed(window, sink);
  StartRecord start;
  start.when = at(0s);
  windowed.write(start);
  for (const Nanos second : {0s, 1s, 3s, 2s, 4s}) {  // one is dated back
    TransitionRecord transition;
    transition.when = at(second);
    windowed.write(transition);
  }
  EndRecord end;
  end.when = at(5s);
  windowed.write(end);
  if (late != nullptr) *late = windowed.is_late();
  return sink.text;
}

TEST(ReplayWindow, RecordsByTheirTime) {
  EXPECT_EQ(passed({}), "[01324]");
  EXPECT_EQ(passed(window("+1s", nullptr)), "[1324]");
  EXPECT_EQ(passed(window(nullptr, "+3s")), "[012]") << "2 is dated back: it is in the window";
  EXPECT_EQ(passed(window("+1s", "+2s")), "[1]") << "the end is not included";
  EXPECT_EQ(passed(window("2026-11-29T12:00:02Z", "2026-11-29T12:00:04Z")), "[32]");
}

TEST(ReplayWindow, KnowsThatItBeginsTooLate) {
  bool late = false;
  EXPECT_EQ(passed(window("+6s", nullptr), &late), "[]");
  EXPECT_TRUE(late);
  passed(window("+5s", nullptr), &late);
  EXPECT_FALSE(late);
}

class Ticks final : public Observer {
 public:
  void ticked(Nanos, const Lifecycle&) noexcept override { ++count; }
  void finished(Nanos, const Lifecycle&) noexcept override { ++ended; }
  std::optional<Nanos> due() const noexcept override { return std::nullopt; }
  int count = 0, ended = 0;
};

TransitionRecord transition_at(Nanos second) {
  TransitionRecord transition;
  transition.when = at(second);
  return transition;
}

class Counting : public testing::Test {
 protected:
  Counting() {
    run_.tell(ClockEvent{kBeginning, kWall - kBeginning});
    StartRecord start;
    start.when = at(0s);
    observer_.write(start);
  }
  void tick(Nanos second) { observer_.ticked(kBeginning + second, run_.table); }

  test::Counted run_;  // for its table
  Ticks ticks_;
  Passed sink_;
  Nanos began_{};
  WindowObserver observer_{window("+2s", "+4s"), sink_, ticks_, [&](Nanos now) { began_ = now; }};
};

TEST_F(Counting, TicksFromSinceToUntil) {
  for (const Nanos second : {0s, 1s, 2s, 3s}) {
    tick(second);
    EXPECT_FALSE(observer_.is_over());
  }
  EXPECT_EQ(ticks_.count, 2);
  EXPECT_EQ(began_, kBeginning + 2s);
  tick(4s);
  EXPECT_TRUE(observer_.is_over());
  EXPECT_EQ(ticks_.count, 2);
}

TEST_F(Counting, BeginsWithTheFirstRecordNotWithATickLater) {
  observer_.write(transition_at(1s));
  EXPECT_EQ(began_, 0s);
  observer_.write(transition_at(2500ms));
  EXPECT_EQ(began_, kBeginning + 2500ms);
  tick(3s);
  EXPECT_EQ(began_, kBeginning + 2500ms) << "once";
}

TEST_F(Counting, RecordsBetweenUntilAndTheNextTickAreNotOfTheWindow) {
  observer_.write(transition_at(3s));
  observer_.write(transition_at(4s));
  observer_.write(transition_at(5s));
  EndRecord end;
  end.when = at(5s);
  observer_.write(end);
  EXPECT_EQ(sink_.text, "[3]");
}

}  // namespace
}  // namespace tcpdwell
