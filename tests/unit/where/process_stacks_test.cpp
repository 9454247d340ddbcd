// SPDX-License-Identifier: Apache-2.0
// Keys of call paths, and stacks of our own process as the kernel side would capture them.
#include "where/process_stacks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

namespace tcpdwell {
namespace {

constexpr std::uint64_t kStack = 0x7ffe0000, kCode = 0x400000, kCodeEnd = 0x500000;

StackSnapshot snapshot_of(std::initializer_list<std::uint64_t> words) {
  StackSnapshot snapshot;
  snapshot.registers.pc = kCode;
  snapshot.stack.begin = kStack;
  for (const std::uint64_t word : words) {
    const auto bytes = std::as_bytes(std::span(&word, 1));
    snapshot.stack.bytes.insert(snapshot.stack.bytes.end(), bytes.begin(), bytes.end());
  }
  return snapshot;
}
StackKey key(const StackSnapshot& snapshot) {
  return key_of(snapshot, [](std::uint64_t at) { return at >= kCode && at < kCodeEnd; });
}

TEST(StackKey, DependsOnEachAddressOfCodeAndItsPlace) {
  const StackKey one = key(snapshot_of({1, kCode + 5, 2, kCode + 9}));
  EXPECT_EQ(key(snapshot_of({77, kCode + 5, 99, kCode + 9})), one) << "data does not matter";
  EXPECT_NE(key(snapshot_of({1, kCode + 5, 2, kCode + 10})), one);
  EXPECT_NE(key(snapshot_of({kCode + 5, 1, 2, kCode + 9})), one) << "another frame size";
  EXPECT_NE(key(snapshot_of({1, kCode + 9, 2, kCode + 5})), one) << "in another order";
  EXPECT_NE(key(snapshot_of({1, kCode + 5, 2, 3})), one);
}

TEST(StackKey, IsTheSameOnAnotherStack) {
  const StackSnapshot here = snapshot_of({kStack + 16, kCode + 5, 0});
  StackSnapshot there = snapshot_of({kStack + 16 + 0x100000, kCode + 5, 0});
  there.stack.begin += 0x100000;
  EXPECT_EQ(key(there), key(here)) << "another thread";
  EXPECT_NE(key(snapshot_of({kStack + 8, kCode + 5, 0})), key(here)) << "a saved frame pointer";
}

TEST(StackKey, DependsOnRegistersThatLeadIntoTheStack) {
  StackSnapshot one = snapshot_of({1, kCode + 5}), other = one;
  one.registers.value[6] = kStack + 8;
  other.registers.value[6] = kStack;
  EXPECT_NE(key(one), key(other));
  other.registers.pc += 4;
  EXPECT_NE(key(one), key(other));
}

TEST(StackKey, DependsOnPythonFrames) {
  StackSnapshot one = snapshot_of({1, kCode + 5}), other = one;
  one.python = {{.code = 16, .instruction = 32}};
  EXPECT_NE(key(one), key(other));
  other.python = {{.code = 16, .instruction = 34}};
  EXPECT_NE(key(one), key(other)) << "another line";
  other.python = one.python;
  EXPECT_EQ(key(one), key(other));
  other.python_truncated = true;
  EXPECT_NE(key(one), key(other));
  other = one;
  other.python[0].lines_sum = 5;
  EXPECT_NE(key(one), key(other)) << "another table of lines at the same address";
  other = one;
  other.python_walked = true;
  EXPECT_NE(key(one), key(other));
}

TEST(ProcessStacks, RefuseAProcessWithOtherMemory) {
  ModuleCache cache("");
  StackSnapshot snapshot = snapshot_of({1, 2});
  snapshot.pid = static_cast<std::uint32_t>(::getpid());
  snapshot.started = 1;  // not when this process began
  EXPECT_EQ(ProcessStacks::open(snapshot, cache), nullptr);
  snapshot.pid = 0x7fffffff;
  EXPECT_EQ(ProcessStacks::open(snapshot, cache), nullptr) << "no such process";
}

TEST(PackedQuestions, KeepSnapshots) {
  StacksQuestion question;
  question.snapshots.push_back(snapshot_of({1, 2, 3}));
  question.snapshots.back().pid = 4711;
  question.snapshots.back().started = 5;
  question.snapshots.back().python = {{.code = 16, .first_line = 9}};
  question.snapshots.push_back(snapshot_of({}));
  const std::string bytes = pack(question);
  const auto again = unpack_question(bytes);
  ASSERT_TRUE(again && std::holds_alternative<StacksQuestion>(*again));
  const auto& snapshots = std::get<StacksQuestion>(*again).snapshots;
  ASSERT_EQ(snapshots.size(), 2U);
  EXPECT_EQ(snapshots[0].pid, 4711U);
  EXPECT_EQ(snapshots[0].started, 5U);
  EXPECT_EQ(snapshots[0].stack.bytes, question.snapshots[0].stack.bytes);
  EXPECT_EQ(snapshots[0].python, question.snapshots[0].python);
  for (std::size_t size = 2; size < bytes.size(); ++size) {
    const auto part = unpack_question(bytes.substr(0, size));
    EXPECT_TRUE(!part || std::get<StacksQuestion>(*part).snapshots.size() == 1) << size;
  }
}

TEST(PackedQuestions, KeepThePlaceOfAnInterpreter) {
  EXPECT_FALSE(unpack_python(pack(std::optional<PythonPlace>())));
  PythonPlace place{.runtime = 0x1234, .layout = *find_layout(0x030b02f0, {})};
  const auto again = unpack_python(pack(std::optional(place)));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->runtime, 0x1234U);
  EXPECT_EQ(again->layout.frame_in_holder, place.layout.frame_in_holder);
  EXPECT_FALSE(unpack_python("abc"));
}

}  // namespace
}  // namespace tcpdwell
