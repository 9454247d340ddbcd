// SPDX-License-Identifier: Apache-2.0
#include "recording/blocked_entry.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "recording/entries.h"

namespace tcpdwell::recording {
namespace {

using namespace std::chrono_literals;

BlockedThread thread_with(Stack stack) {
  BlockedThread thread{.tid = 4711, .threads = 2, .comm = "worker", .call = "recvfrom"};
  thread.fd = 3;
  thread.socket.emplace();
  thread.socket->remote.port = 7272;
  thread.stack = std::move(stack);
  return thread;
}

ProcessesEvent event_with(BlockedThreads threads) {
  ProcessesEvent event{.at = 9s, .processes = {{.pid = 42}, {.pid = 43}}};
  event.processes[1].blocked = std::make_shared<const BlockedThreads>(std::move(threads));
  return event;
}

std::optional<ProcessesEvent> again(const ProcessesEvent& event) {
  UserEventReader reader;
  std::optional<ProcessesEvent> result;
  pack(event, nullptr, [&](Entry entry, std::span<const std::byte> bytes) {
    EXPECT_LE(bytes.size(), kMostEntry);
    if (auto read = reader.read(entry, bytes)) result = std::get<ProcessesEvent>(read->event);
  });
  return result;
}

TEST(BlockedEntries, AreReplayed) {
  const ProcessesEvent event =
      event_with({thread_with({{.function = "Pool.wait",
                                .file = "svc.py",
                                .line = 6,
                                .module = {},
                                .kind = FrameKind::Python}}),
                  {.tid = 5, .comm = {}, .call = {}, .stack = {}, .missing = NoStack::Running}});
  const auto replayed = again(event);
  ASSERT_TRUE(replayed);
  EXPECT_EQ(replayed->processes, event.processes);
}

TEST(BlockedEntries, TruncateAStackThatIsTooLarge) {
  const std::string text(kLongestFrameText, 'x');
  const auto replayed = again(event_with(
      {thread_with(Stack(kMostFrames, {.function = text, .file = text, .module = text}))}));
  ASSERT_TRUE(replayed);
  const Stack& stack = replayed->processes[1].blocked->at(0).stack;
  ASSERT_FALSE(stack.empty());
  EXPECT_LT(stack.size(), kMostFrames);
  EXPECT_TRUE(stack.back().truncated);
  EXPECT_FALSE(stack.front().truncated);
}

TEST(BlockedEntries, AreDroppedWithALoss) {
  UserEventReader reader;
  std::optional<ProcessesEvent> result;
  pack(event_with({thread_with({})}), nullptr, [&](Entry entry, std::span<const std::byte> bytes) {
    if (entry == Entry::Processes) reader.lost();
    if (auto read = reader.read(entry, bytes)) result = std::get<ProcessesEvent>(read->event);
  });
  ASSERT_TRUE(result);
  EXPECT_EQ(result->processes[1].blocked, nullptr);
}

TEST(BlockedEntries, RefuseDamage) {
  std::vector<std::byte> whole;
  pack_blocked(event_with({thread_with({{.function = "f", .file = "a", .module = "m"}})}),
               [&](std::span<const std::byte> bytes) { whole.assign(bytes.begin(), bytes.end()); });
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BlockedEntries entries;
    entries.read(std::span(whole).first(size));
    ProcessesEvent event{.at = 9s, .processes = {{.pid = 43}}};
    entries.move_to(event);
    EXPECT_EQ(event.processes[0].blocked, nullptr) << size;
  }
}

}  // namespace
}  // namespace tcpdwell::recording
