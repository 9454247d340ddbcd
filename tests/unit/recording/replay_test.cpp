// SPDX-License-Identifier: Apache-2.0
// A replay prints what the run printed, byte for byte, or says that something is missing.
#include <gtest/gtest.h>

#include <numeric>

#include "support/recorded_run.h"

namespace tcpdwell::recorded {
namespace {

class RecordingReplay : public testing::Test {
 protected:
  Directory directory_;
  const std::string path_ = directory_.file("run");

  // Three leaks, one of which is closed later, and a socket older than the run.
  std::string run(bool compress = false) {
    LoggedRun run({.path = path_, .compress = compress});
    run.finds(1);
    for (std::uint64_t cookie = 2; cookie < 5; ++cookie) run.leaves_in_close_wait(cookie);
    run.wait(2s);
    run.answer();
    run.closes(3);
    run.rubbish();
    run.wait(1s);
    return run.finish();
  }
};

TEST_F(RecordingReplay, EqualsTheRun) {
  const std::string printed = run();
  EXPECT_EQ(count(printed, "\"event\":\"raised\""), 4U) << printed;
  EXPECT_EQ(count(printed, "\"pid\":43"), 4U) << "with holders";
  EXPECT_EQ(count(printed, "app.service"), count(printed, "\"cgroup\":\"/"));
  EXPECT_EQ(replay({path_}).text, printed);
}

TEST_F(RecordingReplay, CompressedEqualsTheRun) {
  const std::string printed = run();
  const auto size = std::filesystem::file_size(path_);
  EXPECT_EQ(run(true), printed);
  EXPECT_LT(std::filesystem::file_size(path_), size);
  EXPECT_EQ(replay({path_}).text, printed);
}

TEST_F(RecordingReplay, DeadSocketsEqualTheRun) {
  LoggedRun run({.path = path_});
  std::vector<std::uint64_t> many(40);
  std::iota(many.begin(), many.end(), 100);  // enough to show that the order of clearing is stable
  run.walks({10, 11, 12});
  run.wait(5s);
  run.walks(many);
  run.wait(5s);
  run.walks({10});
  run.wait(1s);
  const std::string printed = run.finish();
  EXPECT_EQ(count(printed, R"("event":"raised","flag":"CLOSED")"), 44U) << printed;
  EXPECT_EQ(count(printed, R"("event":"cleared","flag":"CLOSED")"), 43U) << printed;
  EXPECT_EQ(count(printed, R"("unread_bytes":26)"), 14U);
  EXPECT_EQ(count(printed, R"("pending_error":"ECONNRESET")"), 44U);
  EXPECT_EQ(replay({path_}).text, printed);
}

TEST_F(RecordingReplay, ManyFramesEqualTheRun) {
  LoggedRun run({.path = path_});
  for (std::uint64_t cookie = 1; cookie < 3000; ++cookie) {
    run.leaves_in_close_wait(cookie);
    if (cookie % 7 == 0) run.wait(60ms);
    run.answer();
    if (cookie > 100) run.closes(cookie - 100);
  }
  const std::string printed = run.finish();
  const Replay again = replay({path_});
  EXPECT_TRUE(again.text == printed);
  EXPECT_FALSE(again.truncated);
  EXPECT_EQ(again.damaged, 0U);
}

TEST_F(RecordingReplay, AcceptQueuesEqualTheRun) {
  recording::Setting asked = setting();
  asked.config.thresholds.accept = 1s;
  asked.start.thresholds.emplace_back("ACCEPT", 1s);
  LoggedRun run({.path = path_}, asked);
  std::vector<std::uint64_t> all(5000);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = 1000 + i;
  run.wait(2s);
  run.finds_in_queue(all);
  run.wait(1s);
  run.finds_in_queue({7}, all);
  all.pop_back();
  run.wait(1s);
  run.finds_in_queue({}, all);
  const std::string printed = run.finish();
  EXPECT_EQ(count(printed, "\"event\":\"raised\",\"flag\":\"ACCEPT\""), 5001U);
  EXPECT_EQ(count(printed, "\"event\":\"cleared\",\"flag\":\"ACCEPT\""), 2U);
  EXPECT_EQ(count(printed, "\"should_accept\":[43]"), 5001U);
  const Replay again = replay({path_});
  EXPECT_TRUE(again.text == printed);
  EXPECT_EQ(again.damaged, 0U);
}

TEST_F(RecordingReplay, HasWhoWaitsForASharedPort) {
  recording::Setting asked = setting();
  asked.config.thresholds.accept = 1s;
  asked.start.thresholds.emplace_back("ACCEPT", 1s);
  LoggedRun run({.path = path_}, asked);
  run.wait(2s);
  run.finds_in_queue({7}, {}, {42});
  const std::string printed = run.finish();
  EXPECT_EQ(count(printed, "\"should_accept\":[42]"), 1U) << printed;
  const Replay again = replay({path_});
  EXPECT_EQ(again.text, printed);
  ASSERT_EQ(again.flags.size(), 1U);
  EXPECT_TRUE(again.flags[0].queue->shares_port);
}

TEST_F(RecordingReplay, HasTwoThousandHolders) {
  LoggedRun run({.path = path_});
  run.leaves_in_close_wait(1);
  run.wait(2s);
  run.answer_with_holders(2000);
  const std::string printed = run.finish();
  EXPECT_EQ(count(printed, "\"fd\":"), 2000U);
  EXPECT_TRUE(replay({path_}).text == printed) << "the holders take more than one frame";
}

TEST_F(RecordingReplay, HasSurroundingsOfSocket) {
  LoggedRun run({.path = path_});
  run.leaves_in_close_wait(1);
  run.wait(2s);
  run.answer_with_surroundings();
  const std::string printed = run.finish();
  EXPECT_EQ(count(printed, "\"state\":\"T\""), 1U) << printed;
  EXPECT_EQ(count(printed, R"("other_end":{"pid":50,"comm":"app","state":"FIN_WAIT_2"})"), 1U);
  const Replay again = replay({path_});
  EXPECT_EQ(again.text, printed);
  ASSERT_EQ(run.flags().size(), 1U);
  ASSERT_EQ(again.flags.size(), 1U);
  const FlagRecord &there = run.flags()[0], &here = again.flags[0];
  ASSERT_EQ(there.processes.size(), 1U);
  EXPECT_EQ(here.processes, there.processes);
  EXPECT_EQ(here.send_wait, SendWait::WindowProbe);
  ASSERT_TRUE(here.other_end);
  EXPECT_EQ(here.other_end->fd, 7);
  EXPECT_EQ(here.other_end->receive_queue, 9U);
  EXPECT_EQ(here.inherited_from, there.inherited_from);
  EXPECT_EQ(here.bytes, (ByteCounts{.sent = 11, .received = 12}));
}

TEST_F(RecordingReplay, FilterKeepsFlagsOfWhatPasses) {
  const std::string printed = run();
  Filter filter;
  filter.remote_ports = {443};
  const Replay some = replay({path_}, filter);
  EXPECT_EQ(count(some.text, "\"port\":443"), count(printed, "\"port\":443"));
  EXPECT_EQ(count(some.text, "\"port\":80"), 0U);
  EXPECT_EQ(count(some.text, "\"event\":\"raised\""), 2U) << some.text;
  EXPECT_EQ(some.end.passed.transitions, count(some.text, "\"type\":\"transition\""));
  EXPECT_EQ(some.end.passed.connections, count(some.text, "\"type\":\"connection\""));
  EXPECT_EQ(some.end.passed.open, 2U);
}

TEST_F(RecordingReplay, FilteredRunEqualsTheRun) {
  Filter filter;
  filter.remote_ports = {443};
  LoggedRun run({.path = path_}, filter);
  run.leaves_in_close_wait(1);
  run.leaves_in_close_wait(2);
  run.wait(2s);
  run.answer();
  const std::string printed = run.finish();
  EXPECT_EQ(count(printed, "\"port\":80"), 0U);
  EXPECT_EQ(replay({path_}).text, printed) << "without a filter";
  EXPECT_EQ(replay({path_}, filter).text, printed) << "with the same filter";
  Filter other;
  other.remote_ports = {80};
  EXPECT_EQ(count(replay({path_}, other).text, "transition\""), 0U)
      << "nothing passes both filters";
}

TEST_F(RecordingReplay, CorrectsEndsAsTheRunDid) {
  LoggedRun run({.path = path_});
  for (std::uint64_t cookie = 1; cookie < 5; ++cookie) run.ends_without_a_minisock(cookie);
  run.wait(500ms);
  run.answer_with_minisocks();
  run.wait(20s);
  const std::string printed = run.finish();
  EXPECT_EQ(count(printed, "\"corrected\":4"), 1U) << printed;
  EXPECT_EQ(count(printed, "overflow"), 0U);
  EXPECT_EQ(replay({path_}).text, printed);
  Filter filter;
  filter.remote_ports = {443};
  const Replay some = replay({path_}, filter);
  EXPECT_EQ(count(some.text, "overflow"), 0U) << "answers reach their connections";
  EXPECT_EQ(count(some.text, "\"corrected\":2"), 1U) << some.text;
}

TEST_F(RecordingReplay, WithoutAnswersEndsAreNotCorrected) {
  LoggedRun run({.path = path_});
  for (std::uint64_t cookie = 1; cookie < 5; ++cookie) run.ends_without_a_minisock(cookie);
  run.wait(500ms);
  EXPECT_EQ(run.open(), 4U);
  run.wait(20s);
  EXPECT_EQ(run.open(), 0U);
  const std::string printed = run.finish();
  EXPECT_EQ(count(printed, "overflow"), 8U) << "four transitions, four ends";
  EXPECT_EQ(replay({path_}).text, printed);
}

TEST_F(RecordingReplay, StopAtMaxSizeIsReported) {
  LoggedRun run({.path = path_, .max_size = recording::kLeastSize});
  for (std::uint64_t cookie = 1; cookie < 2000; ++cookie) {
    run.leaves_in_close_wait(cookie);
    run.wait(10ms);
  }
  run.finish();
  EXPECT_TRUE(run.recorder->full());
  EXPECT_LE(std::filesystem::file_size(path_), recording::kLeastSize);
  const Replay part = replay({path_});
  EXPECT_TRUE(part.full);
  EXPECT_TRUE(part.truncated);
  EXPECT_TRUE(part.end.truncated);
  EXPECT_GT(part.end.transitions, 1000U);
  const auto same = run.output().substr(0, part.text.rfind("{\"type\":\"end\""));
  EXPECT_TRUE(part.text.starts_with(same)) << "until then it prints what the run printed";
}

}  // namespace
}  // namespace tcpdwell::recorded
