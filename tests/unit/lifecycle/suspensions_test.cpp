// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/suspensions.h"

#include <gtest/gtest.h>

#include <map>

#include "recording/entries.h"
#include "support/conn.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;
using namespace life_story;

TEST(SuspendWatch, SeesTheStepOfBoottime) {
  SuspendWatch watch;
  EXPECT_FALSE(watch.compare(10s, 3h)) << "no statement about the time before the trace";
  EXPECT_FALSE(watch.compare(11s, 3h + 40us)) << "noise";
  EXPECT_FALSE(watch.compare(12s, 3h - 40us));
  const auto slept = watch.compare(13s, 11h + 20us);
  ASSERT_TRUE(slept);
  EXPECT_EQ(slept->since, 12s);
  EXPECT_EQ(slept->at, 13s);
  EXPECT_EQ(slept->length, 8h + 20us);
  EXPECT_FALSE(watch.compare(14s, 11h));
  EXPECT_TRUE(watch.compare(15s, 11h + 5ms)) << "each one";
}

TEST(Suspensions, CountIfASpanMayOverlapThem) {
  Suspensions all;
  EXPECT_EQ(all.within(0s, 100s), 0s);
  all.add({.at = 20s, .since = 19s, .length = 1h});
  all.add({.at = 40s, .since = 39s, .length = 1min});
  EXPECT_EQ(all.within(0s, 19s), 0s);
  EXPECT_EQ(all.within(20s, 39s), 0s) << "between the two";
  EXPECT_EQ(all.within(40s, 99s), 0s);
  EXPECT_EQ(all.within(0s, 19500ms), 1h) << "may be on either side";
  EXPECT_EQ(all.within(19500ms, 30s), 1h);
  EXPECT_EQ(all.within(0s, 99s), 1h + 1min);
}

TEST(Suspensions, AreBoundedInNumberAndLength) {
  Suspensions all;
  for (int i = 0; i < 10'000; ++i)
    all.add({.at = i * 1s + 1ms, .since = i * 1s, .length = Nanos{INT64_MAX / 2}});
  EXPECT_GT(all.within(0s, 10'000s), 24h * 365);
  EXPECT_GT(sum_of_errors(all.within(0s, 10'000s), all.within(0s, 10'000s)), 0s) << "no overflow";
}

std::vector<ClockRecord> clocks(const Story& story) {
  std::vector<ClockRecord> all;
  for (const Record& record : story.records())
    if (const auto* clock = std::get_if<ClockRecord>(&record)) all.push_back(*clock);
  return all;
}

TEST(Suspensions, AreTheErrorOfTheDwellsThatSpanThem) {
  Story story;
  auto conn = story.client(7);
  conn.connects(0ms).moves(State::SynSent, State::Established, 20ms);
  story.on(SuspendEvent{.at = story.clock(500ms), .since = story.clock(300ms), .length = 2h});
  conn.moves(State::Established, State::CloseWait, 1s);
  conn.moves(State::CloseWait, State::LastAck, 2s);
  ASSERT_EQ(clocks(story).size(), 1U);
  EXPECT_EQ(clocks(story)[0].suspended, 2h);
  EXPECT_EQ(clocks(story)[0].when.mono, story.clock(500ms));
  std::map<State, std::optional<Dwell>> dwells;
  for (const Record& record : story.records())
    if (const auto* moved = std::get_if<TransitionRecord>(&record))
      dwells[moved->from] = moved->dwell;
  EXPECT_EQ(dwells[State::SynSent]->error, 0s);
  EXPECT_EQ(dwells[State::Established]->value, 980ms) << "the time that the host was awake";
  EXPECT_EQ(dwells[State::Established]->error, 2h);
  EXPECT_EQ(dwells[State::CloseWait]->error, 0s) << "it began later";
}

TEST(Suspensions, AreKeptInARecording) {
  const SuspendEvent suspended{.at = 9s, .since = 8s, .length = 7h};
  std::vector<std::byte> bytes;
  recording::Entry kind{};
  recording::pack(suspended, nullptr,
                  [&](recording::Entry entry, std::span<const std::byte> packed) {
                    kind = entry;
                    bytes.assign(packed.begin(), packed.end());
                  });
  EXPECT_EQ(kind, recording::Entry::Suspended);
  recording::UserEventReader reader;
  const auto read = reader.read(kind, bytes);
  ASSERT_TRUE(read);
  const auto* event = std::get_if<SuspendEvent>(&read->event);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->at, suspended.at);
  EXPECT_EQ(event->since, suspended.since);
  EXPECT_EQ(event->length, suspended.length);
  std::swap_ranges(bytes.begin(), bytes.begin() + 8, bytes.begin() + 8);
  EXPECT_FALSE(reader.read(kind, bytes)) << "it would end before it began";
}

}  // namespace
}  // namespace tcpdwell
