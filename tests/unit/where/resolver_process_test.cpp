// SPDX-License-Identifier: Apache-2.0
#include "where/resolver_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

ThreadsQuestion question_about(std::uint32_t pid) {
  ThreadsQuestion question{.pid = pid, .stack_bytes = 4096, .threads = {}};
  question.threads.push_back({.tid = pid, .switches = 0, .thread_pointer = 0, .registers = {}});
  return question;
}

TEST(Packing, KeepsStacks) {
  const std::vector<ResolvedStack> stacks = {{.stack = {{.function = "f",
                                                         .file = "a.c",
                                                         .line = 7,
                                                         .module = "/m",
                                                         .offset = 0x10,
                                                         .kind = FrameKind::Native,
                                                         .truncated = true}},
                                              .missing = NoStack::None},
                                             {.stack = {}, .missing = NoStack::Exited}};
  const auto again = unpack_stacks(pack(stacks));
  ASSERT_TRUE(again);
  ASSERT_EQ(again->size(), 2U);
  EXPECT_EQ(again->at(0).stack, stacks[0].stack);
  EXPECT_EQ(again->at(1).missing, NoStack::Exited);
}

TEST(Packing, RefusesDamage) {
  const std::string whole = pack(std::vector<ResolvedStack>{
      {.stack = {{.function = "f", .file = {}, .module = {}}}, .missing = NoStack::None}});
  ASSERT_TRUE(unpack_stacks(whole));
  for (std::size_t size = 1; size < whole.size(); ++size)
    EXPECT_FALSE(unpack_stacks(whole.substr(0, size))) << size;
  std::string bad = whole;
  bad[0] = '\x7f';
  EXPECT_FALSE(unpack_stacks(bad));
  EXPECT_FALSE(unpack_question("abc"));
}

TEST(Packing, LeavesOutWhatIsTooLarge) {
  const std::string text(kLongestFrameText, 'x');
  const Frame frame{.function = text, .file = text, .module = text};
  const std::vector<ResolvedStack> stacks(
      kMostAsked, {.stack = Stack(kMostFrames, frame), .missing = NoStack::None});
  const std::string bytes = pack(stacks);
  EXPECT_LE(bytes.size(), kLargestMessage);
  const auto again = unpack_stacks(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->size(), kMostAsked);
  EXPECT_EQ(again->back().missing, NoStack::Budget);
}

TEST(ResolverProcess, AnswersForEachThread) {
  ResolverProcess resolver("");
  const auto own = static_cast<std::uint32_t>(::getpid());
  const auto stacks = resolver.ask(question_about(own), 10s);
  ASSERT_EQ(stacks.size(), 1U);
  // It has run since: nobody knows its stack.
  EXPECT_EQ(stacks[0].missing, NoStack::Running);
}

TEST(ResolverProcess, SaysThatAProcessIsGone) {
  ResolverProcess resolver("");
  const auto stacks = resolver.ask(question_about(UINT32_MAX >> 2U), 10s);
  ASSERT_EQ(stacks.size(), 1U);
  EXPECT_EQ(stacks[0].missing, NoStack::Denied);
}

TEST(ResolverProcess, DoesNotWaitForALateAnswerButUsesTheNextOne) {
  ResolverProcess resolver("");
  const auto own = static_cast<std::uint32_t>(::getpid());
  ThreadsQuestion many = question_about(own);
  many.threads.resize(kMostAsked, many.threads.front());
  const auto late = resolver.ask(many, 0ms);
  ASSERT_EQ(late.size(), kMostAsked);
  EXPECT_EQ(late[0].missing, NoStack::Budget);
  const auto stacks = resolver.ask(question_about(own), 10s);
  ASSERT_EQ(stacks.size(), 1U) << "not the answer to the question before";
  EXPECT_EQ(stacks[0].missing, NoStack::Running);
}

}  // namespace
}  // namespace tcpdwell
