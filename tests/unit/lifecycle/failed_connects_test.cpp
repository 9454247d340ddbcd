// SPDX-License-Identifier: Apache-2.0
// connect() calls that fail before a packet is sent: detection, records, and the bound on memory
// and output in a burst.
#include "lifecycle/failed_connects.h"

#include <gmock/gmock.h>

#include "sinks/ndjson_sink.h"
#include "sinks/text_sink.h"
#include "support/records.h"
#include "support/story.h"

namespace tcpdwell::test {
namespace {

using life_story::Story;

using testing::HasSubstr;

class Failing : public testing::Test {
 protected:
  // A connect() by `pid` to `remote_port` that fails after 20 us.
  TransitionEvent fails(std::uint64_t cookie, Nanos at, std::uint16_t bound = 0,
                        std::uint32_t pid = 42) {
    auto syn = story.moves(State::Closed, State::SynSent, at, cookie);
    syn.flow.local.port = bound;
    syn.task = make_process(pid);
    story.on(syn);
    auto back = story.moves(State::SynSent, State::Closed, at + 20us, cookie);
    back.flow.local.port = bound;
    back.silent = true;
    return back;
  }
  std::vector<FailedConnectsRecord> published() const { return story.all<FailedConnectsRecord>(); }

  Story story;
};

TEST_F(Failing, WithoutPortIsNotAConnection) {
  story.on(fails(1, 1s));
  story.waits(3s);
  ASSERT_EQ(published().size(), 1U);
  EXPECT_EQ(published()[0].reason, ConnectFailure::NoPort);
  EXPECT_EQ(published()[0].count, 1U);
  EXPECT_EQ(published()[0].process->pid, 42U);
  EXPECT_EQ(published()[0].flow.remote.port, 80);
  EXPECT_TRUE(story.all<TransitionRecord>().empty());
}

TEST_F(Failing, WorksWithOlderRecordings) {
  auto back = fails(1, 1s);
  back.silent = false;
  story.on(back).waits(3s);
  ASSERT_EQ(published().size(), 1U);
}

TEST_F(Failing, BoundPortIsTaken) {
  story.on(fails(1, 1s, 40000)).waits(3s);
  ASSERT_EQ(published().size(), 1U);
  EXPECT_EQ(published()[0].reason, ConnectFailure::PortTaken);
}

// The event of a later life still has the port of an earlier one.
TEST_F(Failing, PortOfAnEarlierLifeIsIgnored) {
  auto syn = story.moves(State::Closed, State::SynSent, 1s);
  syn.flow.local.port = 0;
  syn.life = 1;
  story.on(syn);
  auto back = story.moves(State::SynSent, State::Closed, 1s + 20us);
  back.silent = true;
  story.on(back).waits(3s);
  ASSERT_EQ(published().size(), 1U);
  EXPECT_EQ(published()[0].reason, ConnectFailure::NoPort);
}

TEST_F(Failing, OtherEndsOfSynSentAreNotReported) {
  auto gave_up = fails(1, 1s, 40000);
  gave_up.shutdown = 3;
  story.on(gave_up);
  auto sent = fails(2, 1s, 40001);
  sent.silent = false;  // connect(AF_UNSPEC) after the SYN
  story.on(sent);
  auto refused = fails(3, 1s, 40002);
  refused.err = 111;
  story.on(refused);
  story.waits(3s);
  EXPECT_TRUE(published().empty());
}

TEST_F(Failing, BurstSharesRecords) {
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    story.on(fails(i + 1, 1s + static_cast<std::int64_t>(i) * 2500us));
    story.waits(1s + static_cast<std::int64_t>(i) * 2500us);
  }
  story.waits(40s);
  ASSERT_EQ(published().size(), 4U) << "after a second, every ten seconds, and at the end";
  std::uint64_t sum = 0;
  for (const auto& each : published()) sum += each.count;
  EXPECT_EQ(sum, 10'000U);
}

TEST_F(Failing, RestIsPublishedAtTheEnd) {
  story.on(fails(1, 1s));
  story.lifecycle().finish(kBegan + 1s + 1ms);
  EXPECT_EQ(published().size(), 1U);
}

TEST_F(Failing, FilterApplies) {
  Filter filter;
  filter.pids = {43};
  Story some({}, filter);
  for (const std::uint32_t pid : {42U, 43U}) {
    auto syn = some.moves(State::Closed, State::SynSent, 1s, pid);
    syn.flow.local.port = 0;
    syn.task = make_process(pid);
    auto back = some.moves(State::SynSent, State::Closed, 1s, pid);
    back.flow.local.port = 0;
    some.on(syn).on(back);
  }
  some.waits(3s);
  ASSERT_EQ(some.all<FailedConnectsRecord>().size(), 1U);
  EXPECT_EQ(some.all<FailedConnectsRecord>()[0].process->pid, 43U);
}

FailedConnectsRecord failure(std::uint32_t pid, const char* comm, std::uint16_t port) {
  return {.process = make_process(pid, comm),
          .flow = make_flow(0, port),
          .reason = ConnectFailure::NoPort,
          .count = 1};
}

TEST(FailedConnects, AreSeparateWhileThereIsRoom) {
  FailedConnects all;
  for (int i = 0; i < 3; ++i) all.add(failure(1, "a", 80));
  all.add(failure(1, "a", 81));
  all.add(failure(2, "a", 80));
  const auto published = all.take();
  ASSERT_EQ(published.size(), 3U);
  EXPECT_EQ(published[0].count, 3U);
  EXPECT_TRUE(all.empty());
}

TEST(FailedConnects, MergeDestinationsFirst) {
  FailedConnects all;
  for (std::uint16_t port = 1; port <= 1000; ++port) all.add(failure(1, "a", port));
  const auto published = all.take();
  ASSERT_EQ(published.size(), 1U);
  EXPECT_EQ(published[0].count, 1000U);
  EXPECT_FALSE(published[0].one_destination);
  EXPECT_EQ(published[0].process->pid, 1U);
}

TEST(FailedConnects, ThenMergeProcessesOfOneName) {
  FailedConnects all;
  for (std::uint32_t pid = 1; pid <= 1000; ++pid) all.add(failure(pid, pid % 2 ? "a" : "b", 80));
  const auto published = all.take();
  ASSERT_EQ(published.size(), 2U);
  EXPECT_EQ(published[0].count, 500U);
  EXPECT_EQ(published[0].process->pid, 0U);
}

TEST(FailedConnects, ThenMergeAll) {
  FailedConnects all;
  for (std::uint32_t pid = 1; pid <= 1000; ++pid)
    all.add(failure(pid, std::to_string(pid).c_str(), 80));
  const auto published = all.take();
  ASSERT_EQ(published.size(), 1U);
  EXPECT_FALSE(published[0].process);
  all.add(failure(1, "a", 80));
  EXPECT_TRUE(all.all()[0].process) << "take() resets the merging";
}

TEST(FailedConnectsOutput, PrintsTextAndJson) {
  FailedConnectsRecord record = failure(42, "curl", 80);
  record.when = samples::kWhen;
  record.count = 1'025;
  samples::Captured text, json;
  TextSink(text.output(), {}, {}).write(record);
  EXPECT_THAT(text.text(), HasSubstr("10.0.0.1           10.0.0.2:80       CONNECT FAILED, 1,025 "
                                     "times: no local port is free (EADDRNOTAVAIL) curl[42]\n"));
  NdjsonSink(json.output(), {}).write(record);
  EXPECT_EQ(json.text(),
            R"({"type":"connects_failed","time":"2026-01-02T03:04:05.006007008Z",)"
            R"("mono_ns":123456789,"netns":4026531840,"family":"ipv4","local":"10.0.0.1",)"
            R"("remote":{"addr":"10.0.0.2","port":80},"owner":{"pid":42,"comm":"curl","uid":1000,)"
            R"("via":"connect"},"reason":"no_port","count":1025})"
            "\n");
}

}  // namespace
}  // namespace tcpdwell::test
