// SPDX-License-Identifier: Apache-2.0
// Truncated files, damaged files, and files that are no recordings.
#include <gtest/gtest.h>

#include <cstring>

#include "recording/format.h"
#include "support/recorded_run.h"

namespace tcpdwell::recorded {
namespace {

using recording::FileHeader;
using recording::FrameHeader;

class RecordingDamage : public testing::Test {
 protected:
  // Records a run of several frames; returns its output.
  void SetUp() override {
    LoggedRun run({.path = path_});
    for (std::uint64_t cookie = 1; cookie < 6; ++cookie) {
      run.leaves_in_close_wait(cookie);
      run.wait(200ms);
      if (cookie > 2) run.closes(cookie - 2);
      run.wait(200ms);
      run.answer();
    }
    printed_ = run.finish();
    bytes_ = read_file(path_);
  }
  // The offsets of all frames, and the end of the last one.
  std::vector<std::size_t> frames() const {
    std::vector<std::size_t> all;
    std::size_t at = sizeof(FileHeader);
    while (at < bytes_.size()) {
      all.push_back(at);
      FrameHeader header;
      std::memcpy(&header, bytes_.data() + at, sizeof header);
      at += sizeof header + header.stored_size;
    }
    all.push_back(at);
    return all;
  }
  // The text without its last line, which is the end record.
  static std::string body(const std::string& text) {
    return text.substr(0, text.rfind("{\"type\":\"end\""));
  }

  Directory directory_;
  const std::string path_ = directory_.file("run");
  std::string printed_;
  std::vector<std::byte> bytes_;
};

TEST_F(RecordingDamage, TruncatedFileReplaysUpToTheCut) {
  const auto starts = frames();
  ASSERT_GT(starts.size(), 8U);
  std::size_t whole = 0;  // frames
  std::string before;
  for (std::size_t size = 0; size < bytes_.size(); ++size) {
    while (whole + 1 < starts.size() && starts[whole + 1] <= size) ++whole;
    const Replay cut = replay(std::span(bytes_).first(size));
    if (whole == 0) {
      EXPECT_NE(cut.error, "") << "cut to " << size;
      continue;
    }
    ASSERT_EQ(cut.error, "") << "cut to " << size;
    ASSERT_TRUE(cut.end.truncated) << "cut to " << size;
    ASSERT_EQ(cut.end.lost, 0U) << "cut to " << size;
    // Finishing may resolve pending ends earlier than the run did, and do nothing else.
    if (starts[whole] == size) before = cut.text;
    ASSERT_TRUE(cut.text == before) << "cut to " << size;
  }
  const Replay all = replay(bytes_);
  EXPECT_EQ(all.text, printed_);
  EXPECT_FALSE(all.end.truncated);
}

TEST_F(RecordingDamage, AnyDamagedByteIsCountedAsLoss) {
  const EndRecord whole = replay(bytes_).end;
  for (std::size_t at = sizeof(FileHeader); at < bytes_.size(); ++at) {
    auto damaged = bytes_;
    damaged[at] ^= std::byte{0x40};
    const Replay rest = replay(damaged);
    const auto starts = frames();
    if (at < starts[1]) {  // the file header, or the frame with the setting
      EXPECT_NE(rest.error, "") << "byte " << at;
      continue;
    }
    ASSERT_EQ(rest.error, "") << "byte " << at;
    ASSERT_EQ(rest.damaged, 1U) << "byte " << at;
    if (at < starts[starts.size() - 2]) {
      ASSERT_EQ(rest.end.events + rest.end.lost, whole.events) << "byte " << at;
      ASSERT_EQ(rest.end.transitions + rest.end.transitions_lost, whole.transitions)
          << "byte " << at;
      ASSERT_EQ(count(rest.text, "\"cause\":\"damaged\""), 1U) << "byte " << at;
    }
  }
}

TEST_F(RecordingDamage, MissingFrameIsReportedEvenWithoutEvents) {
  const auto starts = frames();
  for (std::size_t gone = 1; gone + 2 < starts.size(); ++gone) {
    auto rest = bytes_;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(starts[gone]),
               rest.begin() + static_cast<std::ptrdiff_t>(starts[gone + 1]));
    const Replay replayed = replay(rest);
    EXPECT_EQ(count(replayed.text, "\"cause\":\"damaged\""), 1U) << "frame " << gone;
    EXPECT_EQ(replayed.end.events + replayed.end.lost, replay(bytes_).end.events);
  }
}

TEST_F(RecordingDamage, SkipsBytesBetweenFrames) {
  const auto starts = frames();
  auto damaged = bytes_;
  const std::vector<std::byte> rubbish(100'000, std::byte{'T'});
  damaged.insert(damaged.begin() + static_cast<std::ptrdiff_t>(starts[3]), rubbish.begin(),
                 rubbish.end());
  const Replay rest = replay(damaged);
  EXPECT_EQ(rest.damaged, 1U);
  EXPECT_EQ(rest.end.lost, 0U);
  EXPECT_EQ(count(rest.text, "\"type\":\"transition\""),
            count(printed_, "\"type\":\"transition\""));
}

TEST_F(RecordingDamage, OtherFilesAreRefusedInOneLine) {
  EXPECT_EQ(replay(std::span<const std::byte>{}).error,
            "it is too short to be a recording of tcpdwell");
  auto other = bytes_;
  other[0] = std::byte{'T'};
  EXPECT_EQ(replay(other).error, "it is not a recording of tcpdwell");
  other = bytes_;
  std::swap(other[8], other[9]);
  EXPECT_EQ(replay(other).error,
            "it was recorded on a machine of the other byte order. Replay it on such a machine");
  other = bytes_;
  other[20] ^= std::byte{1};
  EXPECT_EQ(replay(other).error, "it has a damaged file header: it cannot be replayed");
  FileHeader header;
  std::memcpy(&header, bytes_.data(), sizeof header);
  header.version = 9;
  header.checksum = checksum_of(header);
  std::memcpy(other.data(), &header, sizeof header);
  EXPECT_EQ(replay(other).error,
            "it was recorded by a newer version of tcpdwell, with the unknown format 9.1. "
            "Replay it with the version that recorded it");
}

TEST_F(RecordingDamage, TickInFarFutureIsIgnored) {
  LoggedRun run({.path = path_});
  run.leaves_in_close_wait(1);
  run.wait(24h * 365 * 100);
  run.wait(1s);
  run.finish();
  const Replay rest = replay({path_});
  EXPECT_EQ(rest.error, "");
  EXPECT_EQ(rest.end.transitions, 3U);
}

}  // namespace
}  // namespace tcpdwell::recorded
