// SPDX-License-Identifier: Apache-2.0
// Lines that a thread writes, to a disk that stalls when it is told to.
#include "sinks/block_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "support/temporary_files.h"

namespace tcpdwell {
namespace {

using samples::content;
using samples::TemporaryDirectory;
constexpr std::size_t kBlock = BlockWriter::kBlock;

// Every write waits until the disk is let go.
class Disk {
 public:
  BlockWriter::Write write() {
    return [this](int fd, const iovec* parts, int count) { return take(fd, parts, count); };
  }
  void stall() {
    const std::lock_guard lock(mutex_);
    stalled_ = true;
  }
  void go_on() {
    const std::lock_guard lock(mutex_);
    stalled_ = false;
    changed_.notify_all();
  }
  void wait_for_a_write() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_; });
  }
  // From now on; after so many bytes.
  void fill_up(int error, std::size_t after = 0) {
    const std::lock_guard lock(mutex_);
    error_ = error;
    room_ = after;
  }

 private:
  ssize_t take(int fd, const iovec* parts, int count) {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !stalled_; });
    waiting_ = false;
    if (error_ == 0) return ::writev(fd, parts, count);
    if (room_ == 0) {
      errno = error_;
      return -1;
    }
    const std::size_t part = std::min(room_, parts->iov_len);
    room_ -= part;
    return ::write(fd, parts->iov_base, part);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stalled_ = false, waiting_ = false;
  int error_ = 0;
  std::size_t room_ = 0;
};

class BlockWriterTest : public testing::Test {
 protected:
  BlockWriterTest() { ::alarm(60); }  // a caller that is kept would hang the test
  ~BlockWriterTest() override { ::alarm(0); }
  UniqueFd make(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.file("out");
  const UniqueFd fd_ = make(path_);
  Disk disk_;
};

// Lines of some hundred bytes, each with its number.
std::string numbered(std::size_t i) {
  return std::to_string(i) + std::string(100 + i % 700, 'x') + '\n';
}

TEST_F(BlockWriterTest, CallerDoesNotWaitForAStalledDisk) {
  BlockWriter writer(fd_.get(), 64 * kBlock, disk_.write());
  disk_.stall();
  std::string wanted;
  for (std::size_t i = 0; wanted.size() < 60 * kBlock; ++i) {
    const std::string line = numbered(i);
    wanted += line;
    writer.add(line);
    if (i % 1'000 == 0) writer.flush();
  }
  writer.flush();
  disk_.wait_for_a_write();
  EXPECT_GT(writer.unwritten(), 0U);
  EXPECT_EQ(content(path_), "");
  disk_.go_on();
  writer.finish();
  EXPECT_EQ(writer.unwritten(), 0U);
  EXPECT_EQ(writer.failure(), 0);
  EXPECT_TRUE(content(path_) == wanted) << "all of it, in order";
}

TEST_F(BlockWriterTest, ManyBlocksGoThroughFew) {
  BlockWriter writer(fd_.get(), 64 * kBlock, disk_.write());
  std::string wanted;
  for (std::size_t i = 0; wanted.size() < 320 * kBlock; ++i) {
    const std::string line = numbered(i);
    wanted += line;
    writer.add(line);
    if (i % 100 == 0) writer.finish();
  }
  EXPECT_LE(writer.memory(), 2 * kBlock) << "blocks are used again";
  writer.finish();
  EXPECT_TRUE(content(path_) == wanted);
}

TEST_F(BlockWriterTest, LineStaysInOneBlock) {
  std::size_t torn = 0, bytes = 0;
  BlockWriter writer(fd_.get(), 64 * kBlock, [&](int, const iovec* parts, int count) {
    std::size_t size = 0;
    for (int i = 0; i < count; ++i) {
      const auto* const text = static_cast<const char*>(parts[i].iov_base);
      torn += text[parts[i].iov_len - 1] == '\n' ? 0 : 1;
      size += parts[i].iov_len;
    }
    bytes += size;
    return static_cast<ssize_t>(size);
  });
  std::size_t added = 0;
  for (std::size_t i = 0; added < 32 * kBlock; ++i) {
    const std::string line = numbered(i);
    added += line.size();
    writer.add(line);
  }
  writer.finish();
  EXPECT_EQ(bytes, added);
  EXPECT_EQ(torn, 0U) << "another writer to the same file could come between";
}

TEST_F(BlockWriterTest, LinesWrittenInPlaceComeInTheirOrder) {
  BlockWriter writer(fd_.get(), 64 * kBlock, disk_.write());
  EXPECT_EQ(writer.place(10), nullptr) << "no block yet";
  std::string wanted;
  for (std::size_t i = 0; i < 4'000; ++i) {
    const std::string line = numbered(i);
    wanted += line;
    char* const place = i % 3 == 0 ? nullptr : writer.place(line.size() + 100);
    if (place == nullptr) {
      ASSERT_TRUE(writer.add(line));
      continue;
    }
    line.copy(place, line.size());
    ASSERT_TRUE(writer.commit(line.size()));
  }
  writer.finish();
  EXPECT_TRUE(content(path_) == wanted);
}

TEST_F(BlockWriterTest, AFullBacklogRefusesALineInPlace) {
  BlockWriter writer(fd_.get(), 100, disk_.write());
  disk_.stall();
  ASSERT_TRUE(writer.add(std::string(60, 'a')));
  char* const place = writer.place(60);
  ASSERT_NE(place, nullptr);
  std::fill_n(place, 60, 'b');
  EXPECT_FALSE(writer.commit(60));
  EXPECT_EQ(writer.place(60), place) << "the next line takes its place";
  EXPECT_TRUE(writer.commit(40));
  disk_.go_on();
}

TEST_F(BlockWriterTest, ALineMayBeLongerThanABlock) {
  BlockWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  const std::string large = std::string(10 * kBlock + 7, 'x') + '\n';
  writer.add("before\n");
  EXPECT_TRUE(writer.add(large, true)) << "longer than the backlog, too";
  writer.add("after\n", true);
  writer.finish();
  EXPECT_TRUE(content(path_) == "before\n" + large + "after\n");
}

TEST_F(BlockWriterTest, FewBytesInManyFlushesDoNotFillTheBacklog) {
  BlockWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  disk_.stall();
  std::string wanted;
  for (std::size_t i = 0; i < 1'000; ++i) {
    const std::string line = std::to_string(i) + '\n';
    wanted += line;
    writer.add(line);
    writer.flush();  // with a block for each, memory would be full of empty ones
  }
  EXPECT_LE(writer.memory(), 3 * kBlock);
  disk_.go_on();
  writer.finish();
  EXPECT_TRUE(content(path_) == wanted);
}

TEST_F(BlockWriterTest, AFullBacklogRefusesWholeLines) {
  constexpr std::size_t kMost = 16 * kBlock;
  BlockWriter writer(fd_.get(), kMost, disk_.write());
  disk_.stall();
  std::string wanted;
  std::size_t refused = 0;
  for (std::size_t i = 0; i < 3 * kMost / 400; ++i) {
    const std::string line = numbered(i);
    if (writer.add(line))
      wanted += line;
    else
      ++refused;
    if (i % 100 == 0) writer.flush();
  }
  EXPECT_GT(refused, 0U);
  EXPECT_LE(writer.unwritten(), kMost);
  EXPECT_GT(writer.unwritten(), kMost - 1'000) << "there was room";
  EXPECT_LE(writer.memory(), kMost + 4 * kBlock);
  EXPECT_TRUE(writer.add("must\n", true));
  wanted += "must\n";
  disk_.go_on();
  writer.finish();
  EXPECT_TRUE(content(path_) == wanted) << "what was taken is whole, and in order";
  EXPECT_TRUE(writer.add("room again\n"));
}

TEST_F(BlockWriterTest, ReleasesTheMemoryOfAStall) {
  BlockWriter writer(fd_.get(), 64 * kBlock, disk_.write(), std::chrono::milliseconds(20));
  disk_.stall();
  const std::string line = std::string(kBlock - 1, 'x') + '\n';
  for (int i = 0; i < 48; ++i) EXPECT_TRUE(writer.add(line));
  EXPECT_GE(writer.memory(), 48 * kBlock);
  disk_.go_on();
  writer.finish();
  while (writer.memory() > BlockPool::kLeast * kBlock) std::this_thread::yield();
  EXPECT_EQ(content(path_).size(), 48 * kBlock);
}

TEST_F(BlockWriterTest, KeepsTheMemoryOfARecentStall) {
  BlockWriter writer(fd_.get(), 64 * kBlock, disk_.write(), std::chrono::hours(1));
  const std::string line = std::string(kBlock - 1, 'x') + '\n';
  std::size_t memory = 0;
  for (int stall = 0; stall < 5; ++stall) {
    disk_.stall();
    for (int i = 0; i < 48; ++i) EXPECT_TRUE(writer.add(line));
    disk_.go_on();
    writer.finish();
    if (stall == 0) memory = writer.memory();
    EXPECT_EQ(writer.memory(), memory);
  }
}

TEST_F(BlockWriterTest, NextFlushReportsAFailure) {
  BlockWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  disk_.fill_up(ENOSPC, 1'000);
  writer.add(std::string(3'000, 'x'));
  writer.flush();
  writer.finish();
  EXPECT_EQ(writer.failure(), ENOSPC);
  EXPECT_EQ(writer.unwritten(), 0U);
  EXPECT_EQ(content(path_).size(), 1'000U) << "what there was room for";
}

TEST_F(BlockWriterTest, AFailureMakesRoom) {
  BlockWriter writer(fd_.get(), 2 * kBlock, disk_.write());
  disk_.stall();
  disk_.fill_up(EIO);
  const std::string half(kBlock / 2, 'x');
  while (writer.add(half)) writer.flush();
  disk_.go_on();
  writer.finish();
  EXPECT_EQ(writer.failure(), EIO);
  EXPECT_EQ(writer.unwritten(), 0U);
  EXPECT_EQ(writer.given_up_lines(), 0U) << "nobody is left to miss a line";
  EXPECT_EQ(content(path_), "");
}

TEST_F(BlockWriterTest, NothingIsWrittenAfterAFailure) {
  BlockWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  disk_.fill_up(EIO);
  writer.add("lost\n");
  writer.finish();
  disk_.fill_up(0);
  writer.add("after it\n");
  writer.finish();
  EXPECT_EQ(content(path_), "") << "there would be a gap before it";
}

TEST_F(BlockWriterTest, NextFileGetsOnlyLaterLines) {
  const std::string second = directory_.file("second");
  UniqueFd old = make(path_);
  const int number = old.get();
  const UniqueFd next = make(second);
  BlockWriter writer(number, 64 * kBlock, disk_.write());
  disk_.stall();
  writer.add("written\n");
  writer.flush();
  disk_.wait_for_a_write();
  const std::string large = std::string(3 * kBlock, 'x') + '\n';
  writer.add(large);
  writer.add("not flushed\n");
  writer.go_on_in(next.get(), std::move(old));  // does not wait for the disk
  writer.add("after\n");
  writer.flush();
  disk_.go_on();
  writer.finish();
  EXPECT_TRUE(content(path_) == "written\n" + large + "not flushed\n");
  EXPECT_EQ(content(second), "after\n");
  EXPECT_EQ(::fcntl(number, F_GETFD), -1) << "the old one is closed";
}

TEST_F(BlockWriterTest, TheNextDescriptorDoesNotFailWithTheOneBefore) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  UniqueFd reader(pipe[0]), old(pipe[1]);
  const UniqueFd next = make(path_);
  BlockWriter writer(old.get(), 64 * kBlock);
  writer.add(std::string(3 * kBlock, 'x') + '\n');  // more than a pipe holds
  writer.flush();
  writer.go_on_in(next.get(), std::move(old));
  writer.add("after\n");
  reader.reset();
  writer.finish();
  EXPECT_EQ(writer.failure(), 0);
  EXPECT_EQ(writer.given_up_lines(), 1U);
  EXPECT_EQ(content(path_), "after\n");
}

TEST_F(BlockWriterTest, DestructorWritesFlushedLines) {
  disk_.stall();
  std::thread disk;
  {
    BlockWriter writer(fd_.get(), 4 * kBlock, disk_.write());
    writer.add("one\n");
    writer.flush();
    writer.add("two\n");
    writer.flush();
    disk_.wait_for_a_write();
    disk = std::thread([this] { disk_.go_on(); });
  }
  disk.join();
  EXPECT_TRUE(content(path_).starts_with("one\n"));
}

TEST_F(BlockWriterTest, ThreadHasNoCapabilitiesAndBlocksSignals) {
  bool all_blocked = true;
  std::string status;
  BlockWriter writer(fd_.get(), 4 * kBlock, [&](int, const iovec* parts, int) {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGXFSZ, SIGALRM, SIGCHLD})
      all_blocked = all_blocked && sigismember(&blocked, number) == 1;
    status = content("/proc/thread-self/status");
    return static_cast<ssize_t>(parts->iov_len);
  });
  writer.add("line\n");
  writer.finish();
  EXPECT_TRUE(all_blocked);
  for (const char* set : {"CapInh", "CapPrm", "CapEff"})
    EXPECT_NE(status.find(std::string(set) + ":\t0000000000000000\n"), std::string::npos) << status;
}

TEST_F(BlockWriterTest, HasNoMemoryUntilThereIsWork) {
  const BlockWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  EXPECT_EQ(writer.unwritten(), 0U);
  EXPECT_EQ(writer.memory(), 0U);
}

}  // namespace
}  // namespace tcpdwell
