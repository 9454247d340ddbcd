// SPDX-License-Identifier: Apache-2.0
#include "recording/stack_entry.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

namespace tcpdwell::recording {
namespace {

StackEvent sample_event() {
  Stack stack{{.function = "handler",
               .file = "/srv/svc.py",
               .line = 9,
               .module = {},
               .kind = FrameKind::Python,
               .truncated = true}};
  return {.at = Nanos{5},
          .cookie = 42,
          .moment = StackMoment::EofRead,
          .missing = NoStack::Exited,
          .number = 3,
          .stack = std::make_shared<const Stack>(std::move(stack))};
}

std::vector<std::byte> numbered(const StackEvent& event) {
  std::vector<std::byte> bytes;
  Packer packer(bytes);
  put_numbered_stack(packer, event);
  return bytes;
}
std::vector<std::byte> of_socket(const StackEvent& event) {
  std::vector<std::byte> bytes;
  Packer packer(bytes);
  put_socket_stack(packer, event);
  return bytes;
}

TEST(StackEntries, GiveASocketItsStack) {
  const StackEvent event = sample_event();
  StackEntries entries;
  entries.read(numbered(event));
  const auto again = entries.read_socket(of_socket(event));
  ASSERT_TRUE(again && again->stack);
  EXPECT_EQ(*again->stack, *event.stack);
  EXPECT_EQ(again->cookie, 42U);
  EXPECT_EQ(again->at, Nanos{5});
  EXPECT_EQ(again->moment, StackMoment::EofRead);
  EXPECT_EQ(again->missing, NoStack::Exited);
}

TEST(StackEntries, SayThatAStackIsNotThere) {
  StackEvent event = sample_event();
  const StackEntries entries;
  const auto lost = entries.read_socket(of_socket(event));
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->stack, nullptr);
  EXPECT_EQ(lost->missing, NoStack::Budget) << "its entry was in a frame that is missing";
  event.stack = nullptr;
  event.missing = NoStack::Denied;
  EXPECT_EQ(entries.read_socket(of_socket(event))->missing, NoStack::Denied);
}

TEST(StackEntries, RefuseDamage) {
  const StackEvent event = sample_event();
  const auto whole = numbered(event), socket = of_socket(event);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    StackEntries entries;
    entries.read(std::span(whole).first(size));
    EXPECT_EQ(entries.read_socket(socket)->stack, nullptr) << size;
  }
  const StackEntries entries;
  for (std::size_t size = 0; size < socket.size(); ++size)
    EXPECT_FALSE(entries.read_socket(std::span(socket).first(size))) << size;
  auto bad = socket;
  bad[16] = std::byte{9};  // the moment
  EXPECT_FALSE(entries.read_socket(bad));
}

TEST(StackEntries, FitInAnEntry) {
  StackEvent event = sample_event();
  const std::string text(kLongestFrameText, 'x');
  event.stack = std::make_shared<const Stack>(
      Stack(kMostFrames, {.function = text, .file = text, .module = text}));
  const auto bytes = numbered(event);
  EXPECT_LE(bytes.size(), std::size_t{60U << 10U});
  StackEntries entries;
  entries.read(bytes);
  const auto again = entries.read_socket(of_socket(event));
  ASSERT_TRUE(again && again->stack);
  EXPECT_LT(again->stack->size(), kMostFrames);
  EXPECT_TRUE(again->stack->back().truncated);
}

}  // namespace
}  // namespace tcpdwell::recording
