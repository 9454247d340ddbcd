// SPDX-License-Identifier: Apache-2.0
// Entries with values that no kernel can have reported are rejected.
#include "recording/entries.h"

#include <gtest/gtest.h>

#include <chrono>

namespace tcpdwell::recording {
namespace {

using namespace std::chrono_literals;

std::optional<UserEventReader::Read> again(const UserEvent& event) {
  UserEventReader reader;
  std::optional<UserEventReader::Read> read;
  pack(event, nullptr,
       [&](Entry entry, std::span<const std::byte> bytes) { read = reader.read(entry, bytes); });
  return read;
}

InquiryEvent answer(Presence presence, State state) {
  return {.at = 9s, .id = 1, .presence = presence, .state = state, .local = {}, .holders = {}};
}

TEST(RecordingEntries, RejectsPresentSocketInClosed) {
  const auto open = again(answer(Presence::Present, State::CloseWait));
  ASSERT_TRUE(open);
  EXPECT_EQ(std::get<InquiryEvent>(open->event).state, State::CloseWait);
  EXPECT_TRUE(again(answer(Presence::Gone, State::Closed)));
  EXPECT_TRUE(again(answer(Presence::Unknown, State::Closed)));
  EXPECT_FALSE(again(answer(Presence::Present, State::Closed)));
}

}  // namespace
}  // namespace tcpdwell::recording
