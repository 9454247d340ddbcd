// SPDX-License-Identifier: Apache-2.0
// A replay that pauses, and goes on, is the same replay.
#include <gtest/gtest.h>

#include "support/recorded_run.h"

namespace tcpdwell::recorded {
namespace {

std::unique_ptr<recording::Player> open_player(const std::string& path) {
  auto reader = recording::Reader::open(std::move(*recording::FileSource::open(path)), path);
  std::vector<recording::Reader> parts;
  parts.push_back(std::move(*reader));
  return std::move(*recording::Player::open(std::move(parts)));
}

TEST(RecordingPause, PausesAtEveryTickAndGoesOn) {
  const Directory directory;
  const std::string path = directory.file("run");
  LoggedRun run({.path = path});
  for (std::uint64_t cookie = 1; cookie < 50; ++cookie) {
    run.leaves_in_close_wait(cookie);
    run.wait(40ms);
  }
  run.wait(2s);
  run.answer();
  run.wait(1s);
  const std::string printed = run.finish();

  const auto player = open_player(path);
  Lines lines;
  Filter filter;
  Lifecycle lifecycle(player->setting().config, filter, lines);
  EventPipeline pipeline(player->setting().start, lifecycle, lines);
  player->begin(pipeline, lifecycle, true);
  std::vector<Nanos> ticks;
  player->pause_when([&](Nanos now) {
    ticks.push_back(now);
    return true;
  });
  int paused = 0;
  Nanos last{};
  while (*player->step()) {
    if (!player->paused()) continue;
    ++paused;
    EXPECT_EQ(player->now(), ticks.back()) << "it stops at once, also within a frame";
    EXPECT_GE(player->now(), last);
    last = player->now();
  }
  EXPECT_GT(paused, 10);
  EXPECT_EQ(lines.text, printed);
}

TEST(RecordingPause, AFileIsReadByOffset) {
  const Directory directory;
  const std::string path = directory.file("bytes");
  std::ofstream(path) << "0123456789";
  auto one = recording::FileSource::open(path);
  ASSERT_TRUE(one);
  std::array<std::byte, 4> room{};
  ASSERT_EQ(*(*one)->read(room), 4U);
  // As another process does that shares the open file.
  ASSERT_EQ(::lseek((*one)->fd(), 0, SEEK_END), 10);
  ASSERT_EQ(*(*one)->read(room), 4U);
  EXPECT_EQ(static_cast<char>(room[0]), '4');
}

}  // namespace
}  // namespace tcpdwell::recorded
