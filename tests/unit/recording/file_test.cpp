// SPDX-License-Identifier: Apache-2.0
// The output file of a recording: which files it creates, and which it refuses.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "support/recorded_run.h"

namespace tcpdwell::recorded {
namespace {

using recording::Recorder;

class RecordingFile : public testing::Test {
 protected:
  Directory directory_;
  const std::string path_ = directory_.file("run");

  static mode_t mode_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 0777;
  }
  static std::string refusal(const std::string& path) {
    auto recorder = Recorder::open({.path = path});
    return recorder ? "" : recorder.error().text();
  }
  // Runs until the recorder has begun another file.
  static void fill(LoggedRun& run, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t cookie = from; cookie < to; ++cookie) {
      run.leaves_in_close_wait(cookie);
      run.wait(20ms);
      run.answer();
    }
  }
};

TEST_F(RecordingFile, HasModeOfPolicy) {
  std::ofstream(path_) << "old contents, longer than a file header";
  ::chmod(path_.c_str(), 0666);
  LoggedRun run({.path = path_});
  run.leaves_in_close_wait(1);
  const std::string printed = run.finish();
  EXPECT_EQ(mode_of(path_), 0600U);
  EXPECT_EQ(replay({path_}).text, printed);
}

TEST_F(RecordingFile, RefusesLinkFifoAndDirectory) {
  std::ofstream(directory_.file("target")) << "precious";
  std::filesystem::create_symlink(directory_.file("target"), path_);
  EXPECT_NE(refusal(path_).find("It is a symbolic link: name its target"), std::string::npos);
  EXPECT_EQ(read_file(directory_.file("target")).size(), 8U);
  const std::string fifo = directory_.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_NE(refusal(fifo), "") << "a FIFO without a reader";
  const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
  EXPECT_NE(refusal(fifo).find("it is not a regular file"), std::string::npos);
  ::close(reader);
  EXPECT_NE(refusal(directory_.file("no/such")), "");
  EXPECT_NE(refusal(std::filesystem::path(path_).parent_path().string()), "");
}

TEST_F(RecordingFile, RefusesFileWithTwoLinks) {
  std::ofstream(directory_.file("other")) << "precious";
  std::filesystem::create_hard_link(directory_.file("other"), path_);
  EXPECT_NE(refusal(path_).find("more than one hard link"), std::string::npos);
  EXPECT_EQ(read_file(path_).size(), 8U);
}

TEST_F(RecordingFile, SkipsPartWithDamagedBegin) {
  LoggedRun run({.path = path_, .max_size = recording::kLeastSize, .keep = 9});
  fill(run, 1, 1500);
  run.finish();
  std::vector<std::string> parts = {path_};
  for (int i = 1; std::filesystem::exists(path_ + '.' + std::to_string(i)); ++i)
    parts.insert(parts.begin(), path_ + '.' + std::to_string(i));
  ASSERT_GT(parts.size(), 2U);
  auto first = read_file(parts[0]);
  first[100] ^= std::byte{1};
  std::ofstream(parts[0], std::ios::binary)
      .write(reinterpret_cast<const char*>(first.data()),
             static_cast<std::streamsize>(first.size()));
  const Replay rest = replay(parts);
  EXPECT_EQ(rest.error, "");
  EXPECT_TRUE(rest.late);
  EXPECT_GT(rest.end.transitions, 1000U);
}

TEST_F(RecordingFile, RotatesAtMaxSizeAndReplaysAsOne) {
  LoggedRun run({.path = path_, .max_size = recording::kLeastSize, .keep = 5});
  fill(run, 1, 1500);
  const std::string printed = run.finish();
  EXPECT_TRUE(run.recorder->wants_snapshot());
  ASSERT_TRUE(std::filesystem::exists(path_ + ".2")) << "at least three files";
  std::vector<std::string> parts;
  for (int i = 5; i > 0; --i)
    if (std::filesystem::exists(path_ + '.' + std::to_string(i)))
      parts.push_back(path_ + '.' + std::to_string(i));
  parts.push_back(path_);
  for (const std::string& part : parts) {
    EXPECT_LE(std::filesystem::file_size(part), recording::kLeastSize);
    EXPECT_EQ(mode_of(part), 0600U);
  }
  const Replay all = replay(parts);
  EXPECT_FALSE(all.late);
  EXPECT_TRUE(all.text == printed);
}

TEST_F(RecordingFile, ReplayBeginsWithOldestKeptPart) {
  LoggedRun run({.path = path_, .max_size = recording::kLeastSize, .keep = 1});
  fill(run, 1, 1500);
  ASSERT_TRUE(run.recorder->wants_snapshot());
  run.finds(1);  // without events since
  run.leaves_in_close_wait(9001);
  run.wait(2s);
  run.answer();
  run.closes(9001);
  const std::string printed = run.finish();
  EXPECT_FALSE(std::filesystem::exists(path_ + ".2"));
  const Replay rest = replay({path_ + ".1", path_});
  EXPECT_TRUE(rest.late);
  EXPECT_FALSE(rest.truncated);
  EXPECT_EQ(rest.end.lost, 0U) << "events of deleted parts do not count as lost";
  EXPECT_LT(rest.end.transitions, 4000U);
  EXPECT_NE(rest.text.find("app.service"), std::string::npos) << "cgroup paths are repeated";
  EXPECT_NE(rest.text.find("2023-11-"), std::string::npos) << "the clock offset is repeated";
  // The last life is complete, with its flag and holders.
  const auto last = printed.find("\"port\":49001");
  ASSERT_NE(last, std::string::npos);
  for (const char* line : {"raised", "cleared", "connection"})
    EXPECT_NE(rest.text.find(line, rest.text.find("\"port\":49001")), std::string::npos) << line;
}

TEST_F(RecordingFile, ContinuesInNewFileAfterRename) {
  LoggedRun run({.path = path_});
  run.leaves_in_close_wait(1);
  run.wait(1s);
  run.recorder->reopen(kBegan + 1s);
  EXPECT_FALSE(run.recorder->wants_snapshot()) << "not renamed";
  std::filesystem::rename(path_, path_ + ".1");
  run.recorder->reopen(kBegan + 1s);
  EXPECT_TRUE(run.recorder->wants_snapshot());
  run.leaves_in_close_wait(2);
  const std::string printed = run.finish();
  EXPECT_EQ(replay({path_ + ".1", path_}).text, printed);
}

TEST_F(RecordingFile, FullDiskLeavesCompleteFrames) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 200'000;  // ends in a partial write, as a full disk does
  ::setrlimit(RLIMIT_FSIZE, &small);
  LoggedRun run({.path = path_});
  fill(run, 1, 1500);
  run.finish();
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_TRUE(run.recorder->failed());
  EXPECT_NE(run.recorder->error()->text().find("The part recorded so far can be replayed"),
            std::string::npos);
  const Replay part = replay({path_});
  EXPECT_EQ(part.error, "");
  EXPECT_EQ(part.damaged, 0U);
  EXPECT_TRUE(part.end.truncated);
  EXPECT_GT(part.end.transitions, 500U);
}

}  // namespace
}  // namespace tcpdwell::recorded
