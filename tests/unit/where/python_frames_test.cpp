// SPDX-License-Identifier: Apache-2.0
// Frames in a memory that the test makes up.
#include "where/python_frames.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "tcpdwell/where_wire.h"

namespace tcpdwell {
namespace {

class FakeMemory final : public MemoryReader {
 public:
  static constexpr std::uint64_t kBegin = 0x10000;
  std::size_t read(std::uint64_t at, std::span<std::byte> to) const override {
    if (at < kBegin || at - kBegin >= bytes_.size()) return 0;
    const std::size_t size = std::min(to.size(), bytes_.size() - (at - kBegin));
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at - kBegin), size, to.begin());
    return size;
  }
  template <typename Number>
  void put(std::uint64_t at, Number value) {
    std::memcpy(&bytes_.at(at - kBegin), &value, sizeof value);
  }
  void put_text(std::uint64_t at, std::string_view text) {
    std::memcpy(&bytes_.at(at - kBegin), text.data(), text.size());
  }

 private:
  std::vector<std::byte> bytes_ = std::vector<std::byte>(0x10000);
};

constexpr std::uint64_t kRuntime = 0x10000, kInterpreter = 0x10800, kThread = 0x11000,
                        kHolder = 0x11800, kFrame = 0x12000, kCodeObject = 0x13000, kText = 0x14000,
                        kLinesAt = 0x15000;

class PythonFramesTest : public ::testing::Test {
 protected:
  PythonFramesTest() {
    memory_.put(kRuntime + layout_.interpreters, kInterpreter);
    memory_.put(kInterpreter + layout_.threads, kThread);
    memory_.put(kThread + layout_.native_thread_id, std::uint64_t{4711});
    memory_.put(kThread + layout_.thread_id, std::uint64_t{0x7f00});
    memory_.put(kThread + layout_.frame_holder, kHolder);
    memory_.put(kHolder + *layout_.frame_in_holder, kFrame);
    memory_.put(kFrame + layout_.code, kCodeObject);
    memory_.put(kFrame + layout_.instruction, kCodeObject + layout_.first_instruction);
    memory_.put(kCodeObject + layout_.qualified_name, kText);
    memory_.put(kCodeObject + layout_.file, kText + 0x100);
    memory_.put(kCodeObject + layout_.first_line, std::uint32_t{17});
    memory_.put(kCodeObject + layout_.lines, kLinesAt);
    put_str(kText, "Pool.checkout");
    put_str(kText + 0x100, "svc.py");
    memory_.put(kLinesAt + layout_.bytes_size, std::uint64_t{2});
    memory_.put(kLinesAt + layout_.bytes, std::uint16_t{0x0080});  // one instruction, on its line
  }
  void put_str(std::uint64_t at, std::string_view text) {
    memory_.put(at + layout_.text_length, std::uint64_t{text.size()});
    memory_.put(at + layout_.text_state, std::uint32_t{1U << 2U | 1U << 5U | 1U << 6U});
    memory_.put_text(at + layout_.ascii_text, text);
  }
  static std::uint32_t sum_of(std::uint64_t size, std::uint64_t first_word) {
    const std::array<__u64, TCPDWELL_LINES_WORDS> words{first_word};
    return tcpdwell_lines_sum(size, words.data());
  }
  Stack frames(const PythonThread& thread) const {
    return python_frames(layout_, kRuntime, thread, memory_);
  }
  FakeMemory memory_;
  const PythonLayout layout_ = *find_layout(0x030b02f0, {});
};

TEST_F(PythonFramesTest, HaveNameFileAndLine) {
  const Stack stack = frames({.native_id = 4711});
  ASSERT_EQ(stack.size(), 1U);
  EXPECT_EQ(stack[0].function, "Pool.checkout");
  EXPECT_EQ(stack[0].file, "svc.py");
  EXPECT_EQ(stack[0].line, 17U);
  EXPECT_EQ(stack[0].kind, FrameKind::Python);
  EXPECT_FALSE(stack[0].truncated);
}

TEST_F(PythonFramesTest, FindTheThreadByItsPthreadAfterAFork) {
  // The child of a fork may still have the number of its parent's thread.
  EXPECT_EQ(frames({.native_id = 9, .thread_id = 0x7f00}).size(), 1U);
  EXPECT_TRUE(frames({.native_id = 4711, .thread_id = 0x7f01}).empty());
  EXPECT_TRUE(frames({.native_id = 9}).empty());
}

TEST_F(PythonFramesTest, DecodeTextThatIsNotAscii) {
  memory_.put(kText + layout_.text_length, std::uint64_t{2});
  memory_.put(kText + layout_.text_state, std::uint32_t{2U << 2U | 1U << 5U});
  memory_.put(kText + layout_.other_text, std::uint16_t{0x00e9});
  memory_.put(kText + layout_.other_text + 2, std::uint16_t{0x20ac});
  EXPECT_EQ(frames({.native_id = 4711}).at(0).function, "\xc3\xa9\xe2\x82\xac");
}

TEST_F(PythonFramesTest, EndInACircle) {
  memory_.put(kFrame + layout_.previous, kFrame);
  const Stack stack = frames({.native_id = 4711});
  EXPECT_EQ(stack.size(), kMostFrames);
  EXPECT_TRUE(stack.back().truncated);
  memory_.put(kFrame + layout_.owner, layout_.first_owner_without_code);
  EXPECT_TRUE(frames({.native_id = 4711}).empty());
  memory_.put(kThread + layout_.next_thread, kThread);
  EXPECT_TRUE(frames({.native_id = 9}).empty());
}

TEST_F(PythonFramesTest, SayThatTheRestIsUnreadable) {
  memory_.put(kFrame + layout_.previous, std::uint64_t{0x7f00});
  const Stack stack = frames({.native_id = 4711});
  ASSERT_EQ(stack.size(), 1U);
  EXPECT_TRUE(stack[0].truncated);
}

TEST_F(PythonFramesTest, HaveNoNameIfTheObjectsAreDamaged) {
  memory_.put(kText + layout_.text_length, ~std::uint64_t{0});
  memory_.put(kLinesAt + layout_.bytes_size, ~std::uint64_t{0});
  const Stack stack = frames({.native_id = 4711});
  ASSERT_EQ(stack.size(), 1U);
  EXPECT_LE(stack[0].function.size(), kLongestFrameText);
  EXPECT_EQ(stack[0].line, 0U);
}

TEST(PythonLayout, IsKnownForSomeVersionsOnly) {
  EXPECT_TRUE(find_layout(0x030b00f0, {}));
  EXPECT_TRUE(find_layout(0x030c01f0, {}));
  EXPECT_FALSE(find_layout(0x030a00f0, {}));
  EXPECT_FALSE(find_layout(0x030d00f0, {})) << "it has a table of its own";
  EXPECT_FALSE(find_layout(0, {}));
}

TEST(PythonLayout, ComesFromTheInterpreterSince313) {
  std::vector<std::byte> head(kDebugOffsets);
  const auto put = [&](std::size_t index, std::uint64_t value) {
    std::memcpy(&head[index * 8], &value, sizeof value);
  };
  std::memcpy(head.data(), "xdebugpy", 8);
  put(1, 0x030d00f0);
  for (std::size_t i = 3; i < kDebugOffsets / 8; ++i) put(i, i);
  const auto layout = find_layout(0, head);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->interpreters, 5U);
  EXPECT_EQ(layout->threads, 9U);
  EXPECT_EQ(layout->frame_holder, 23U);
  EXPECT_EQ(layout->first_line, 39U);
  put(2, 1);
  EXPECT_FALSE(find_layout(0, head)) << "free-threaded";
  put(2, 0);
  put(39, 1U << 30U);
  EXPECT_FALSE(find_layout(0, head)) << "no such offset";
  put(39, 39);
  put(1, 0x030e00f0);
  const auto later = find_layout(0, head);
  ASSERT_TRUE(later);
  EXPECT_EQ(later->threads, 9U);
  EXPECT_EQ(later->frame_holder, 26U);
  EXPECT_EQ(later->owner, 36U);
  EXPECT_EQ(later->first_line, 44U);
  EXPECT_EQ(later->bytes, 76U);
  EXPECT_EQ(later->ascii_text, 80U);
  put(1, 0x030f00f0);
  EXPECT_FALSE(find_layout(0, head)) << "a later layout";
}

TEST_F(PythonFramesTest, HaveNoNameIfTheCodeIsAnotherByNow) {
  PythonCall call{.code = kCodeObject,
                  .instruction = kCodeObject + layout_.first_instruction,
                  .file = kText + 0x100,
                  .qualified_name = kText,
                  .lines = kLinesAt,
                  .first_line = 17,
                  .lines_sum = sum_of(2, 0x0080)};
  EXPECT_EQ(python_frame(layout_, call, memory_).function, "Pool.checkout");
  EXPECT_EQ(python_frame(layout_, call, memory_).line, 17U);
  call.first_line = 18;
  const Frame other = python_frame(layout_, call, memory_);
  EXPECT_EQ(other.function + other.file, "");
  EXPECT_EQ(other.line, 0U);
  EXPECT_EQ(other.kind, FrameKind::Python);
}

TEST_F(PythonFramesTest, HaveNoLineOfATableThatReplacedTheirs) {
  const PythonCall call{.code = kCodeObject,
                        .instruction = kCodeObject + layout_.first_instruction,
                        .file = kText + 0x100,
                        .qualified_name = kText,
                        .lines = kLinesAt,
                        .first_line = 17,
                        .lines_sum = sum_of(2, 0x0080)};
  memory_.put(kLinesAt + layout_.bytes, std::uint16_t{0x0180});
  EXPECT_EQ(python_frame(layout_, call, memory_).line, 0U);
  memory_.put(kLinesAt + layout_.bytes, std::uint16_t{0x0080});
  EXPECT_EQ(python_frame(layout_, call, memory_).line, 17U);
  memory_.put(kLinesAt + layout_.bytes_size, std::uint64_t{3});
  EXPECT_EQ(python_frame(layout_, call, memory_).line, 0U) << "a longer one";
}

TEST_F(PythonFramesTest, AreOfTheInterpreterThatRuns) {
  // A sub-interpreter, first in the list, that knows the thread and runs nothing in it.
  constexpr std::uint64_t kSub = 0x16000, kSubThread = 0x17000, kSubHolder = 0x18000;
  memory_.put(kRuntime + layout_.interpreters, kSub);
  memory_.put(kSub + layout_.next_interpreter, kInterpreter);
  memory_.put(kSub + layout_.threads, kSubThread);
  memory_.put(kSubThread + layout_.native_thread_id, std::uint64_t{4711});
  memory_.put(kSubThread + layout_.frame_holder, kSubHolder);
  EXPECT_EQ(frames({.native_id = 4711}).size(), 1U);
  memory_.put(kSubHolder + *layout_.frame_in_holder, kFrame);
  EXPECT_TRUE(frames({.native_id = 4711}).empty()) << "which one is the innermost is not known";
}

}  // namespace
}  // namespace tcpdwell
