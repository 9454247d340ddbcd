// SPDX-License-Identifier: Apache-2.0
// Processes that go on from an earlier time.
#include "commands/keyframes.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// A keyframe that answers with the value that `counter` had.
bool keep(Keyframes& frames, int& counter, Nanos at) {
  return frames.keep({.mono = at, .unix_time = {}}, [&counter](const std::string& question, int) {
    if (question == "die") std::abort();
    return question + ' ' + std::to_string(counter++);
  });
}

std::optional<std::string> ask(Keyframes& frames, std::size_t frame, const std::string& question) {
  EXPECT_TRUE(frames.ask(frame, question));
  pollfd news{frames.fd(frame), POLLIN, 0};
  EXPECT_EQ(::poll(&news, 1, 60'000), 1);
  return frames.answer(frame);
}

TEST(Keyframes, GoOnFromTheirTime) {
  Keyframes frames;
  int counter = 0;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(keep(frames, counter, i * 1s));
    counter += 10;
  }
  EXPECT_EQ(frames.when(1).mono, 1s);
  EXPECT_EQ(ask(frames, 1, "a"), "a 10");
  EXPECT_EQ(ask(frames, 0, "b"), "b 0");
  EXPECT_EQ(ask(frames, 1, ""), " 10") << "a keyframe itself does not go on";
  EXPECT_EQ(counter, 30);
}

TEST(Keyframes, AreThinnedOut) {
  Keyframes frames;
  int counter = 0;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(keep(frames, counter, i * 1s));
  frames.thin_out();
  ASSERT_EQ(frames.size(), 3U);
  EXPECT_EQ(frames.when(0).mono, 0s);
  EXPECT_EQ(frames.when(2).mono, 4s);
  EXPECT_EQ(ask(frames, 2, "a"), "a 0");
}

TEST(Keyframes, AFailureIsReported) {
  Keyframes frames;
  int counter = 0;
  ASSERT_TRUE(keep(frames, counter, 0s));
  EXPECT_EQ(ask(frames, 0, "die"), std::nullopt);
}

TEST(Keyframes, EndWithTheirMaker) {
  int counter = 0;
  {
    Keyframes frames;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(keep(frames, counter, i * 1s));
  }
  SUCCEED() << "clear() waits for each, and has returned";
}

}  // namespace
}  // namespace tcpdwell
