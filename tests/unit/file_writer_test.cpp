// SPDX-License-Identifier: Apache-2.0
// A file that is written on a helper thread, by a disk that stalls when it is told to.
#include "sinks/file_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "temporary_files.h"

namespace tcpdwell {
namespace {

using samples::content;
using samples::TemporaryDirectory;
constexpr std::size_t kBlock = FileWriter::kBlock;

// Every write waits until the disk is let go.
class Disk {
 public:
  FileWriter::Write write() {
    return [this](int fd, const void* data, std::size_t size) { return take(fd, data, size); };
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
  bool stalled() const {
    const std::lock_guard lock(mutex_);
    return stalled_;
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
  ssize_t take(int fd, const void* data, std::size_t size) {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !stalled_; });
    waiting_ = false;
    if (error_ == 0) return ::write(fd, data, size);
    if (room_ == 0) {
      errno = error_;
      return -1;
    }
    const std::size_t part = std::min(room_, size);
    room_ -= part;
    return ::write(fd, data, part);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stalled_ = false, waiting_ = false;
  int error_ = 0;
  std::size_t room_ = 0;
};

class FileWriterTest : public testing::Test {
 protected:
  FileWriterTest() { ::alarm(60); }  // a caller that is kept would hang the test
  ~FileWriterTest() override { ::alarm(0); }
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

TEST_F(FileWriterTest, ACallerIsNotKeptWhileTheDiskStalls) {
  FileWriter writer(fd_.get(), 64 * kBlock, disk_.write());
  disk_.stall();
  std::string wanted;
  for (std::size_t i = 0; wanted.size() < 16 * kBlock; ++i) {
    const std::string line = numbered(i);
    wanted += line;
    writer.add(line);
    if (i % 1'000 == 0) writer.flush();
  }
  writer.flush();
  disk_.wait_for_a_write();
  EXPECT_TRUE(writer.pending());
  EXPECT_EQ(content(path_), "");
  disk_.go_on();
  writer.finish();
  EXPECT_FALSE(writer.pending());
  EXPECT_EQ(writer.failure(), 0);
  EXPECT_TRUE(content(path_) == wanted) << "all of it, in order";
}

TEST_F(FileWriterTest, ManyBlocksGoThroughFew) {
  FileWriter writer(fd_.get(), 64 * kBlock, disk_.write());
  std::string wanted;
  for (std::size_t i = 0; wanted.size() < 32 * kBlock; ++i) {
    const std::string line = numbered(i);
    wanted += line;
    writer.add(line);
    if (i % 1'000 == 0) writer.finish();
  }
  EXPECT_LE(writer.memory(), 2 * kBlock) << "blocks are used again";
  writer.finish();
  EXPECT_TRUE(content(path_) == wanted);
}

TEST_F(FileWriterTest, ALineMayBeLongerThanABlock) {
  FileWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  const std::string large = std::string(10 * kBlock + 7, 'x') + '\n';
  writer.add("before\n");
  writer.add(large);
  writer.add("after\n");
  writer.finish();
  EXPECT_TRUE(content(path_) == "before\n" + large + "after\n");
}

TEST_F(FileWriterTest, FewBytesInManyFlushesDoNotFillTheBacklog) {
  FileWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  disk_.stall();
  std::string wanted;
  for (std::size_t i = 0; i < 1'000; ++i) {
    const std::string line = numbered(i);
    wanted += line;
    writer.add(line);
    writer.flush();  // twenty milliseconds each: with a block a flush the caller would wait soon
  }
  EXPECT_LE(writer.memory(), 3 * kBlock);
  disk_.go_on();
  writer.finish();
  EXPECT_EQ(content(path_), wanted);
}

TEST_F(FileWriterTest, AFullBacklogMakesTheCallerWaitAndDropsNothing) {
  constexpr std::size_t kBacklog = 4 * kBlock;
  FileWriter writer(fd_.get(), kBacklog, disk_.write());
  disk_.stall();
  std::string wanted;
  std::size_t too_much = 0;
  std::thread caller([&] {
    for (std::size_t i = 0; wanted.size() < 4 * kBacklog; ++i) {
      const std::string line = numbered(i);
      writer.add(line);
      // What was added while the disk stalls is in blocks, and of these there are only so many.
      if (disk_.stalled() && wanted.size() + line.size() > kBacklog) ++too_much;
      wanted += line;
    }
    writer.finish();
  });
  while (writer.memory() < kBacklog) std::this_thread::yield();
  disk_.go_on();
  caller.join();
  EXPECT_EQ(too_much, 0U);
  EXPECT_TRUE(content(path_) == wanted) << content(path_).size() << " of " << wanted.size();
}

TEST_F(FileWriterTest, TheMemoryOfAStallIsGivenBack) {
  FileWriter writer(fd_.get(), 64 * kBlock, disk_.write());
  disk_.stall();
  const std::string line = std::string(kBlock - 1, 'x') + '\n';
  for (int i = 0; i < 48; ++i) writer.add(line);
  EXPECT_GE(writer.memory(), 48 * kBlock);
  disk_.go_on();
  writer.finish();
  EXPECT_LE(writer.memory(), FileWriter::kKept * kBlock);
  EXPECT_EQ(content(path_).size(), 48 * kBlock);
}

TEST_F(FileWriterTest, AFailureIsTheCallersAtTheNextFlush) {
  FileWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  disk_.fill_up(ENOSPC, 1'000);
  writer.add(std::string(3'000, 'x'));
  writer.flush();
  writer.finish();
  EXPECT_EQ(writer.failure(), ENOSPC);
  EXPECT_FALSE(writer.pending());
  EXPECT_EQ(content(path_).size(), 1'000U) << "what there was room for";
}

TEST_F(FileWriterTest, AFailureEndsAWaitForRoom) {
  FileWriter writer(fd_.get(), 2 * kBlock, disk_.write());
  disk_.stall();
  disk_.fill_up(EIO);
  std::thread caller([&] {
    for (int i = 0; i < 100; ++i) writer.add(std::string(kBlock / 2, 'x'));
    writer.finish();
  });
  while (writer.memory() < 2 * kBlock) std::this_thread::yield();
  disk_.go_on();
  caller.join();
  EXPECT_EQ(writer.failure(), EIO);
  EXPECT_EQ(content(path_), "");
}

TEST_F(FileWriterTest, NothingIsWrittenAfterAFailure) {
  FileWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  disk_.fill_up(EIO);
  writer.add("lost\n");
  writer.finish();
  disk_.fill_up(0);
  writer.add("after it\n");
  writer.finish();
  EXPECT_EQ(content(path_), "") << "there would be a gap before it";
}

TEST_F(FileWriterTest, AnotherFileGetsWhatComesAfterAndNothingElse) {
  const std::string second = directory_.file("second");
  UniqueFd old = make(path_);
  const int number = old.get();
  const UniqueFd next = make(second);
  FileWriter writer(number, 64 * kBlock, disk_.write());
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

TEST_F(FileWriterTest, EndsWithWhatWasHandedOver) {
  disk_.stall();
  std::thread disk;
  {
    FileWriter writer(fd_.get(), 4 * kBlock, disk_.write());
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

TEST_F(FileWriterTest, ItsThreadTakesNoSignalsAndHasNoRights) {
  bool all_blocked = true;
  std::string status;
  FileWriter writer(fd_.get(), 4 * kBlock, [&](int, const void*, std::size_t size) {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGXFSZ, SIGALRM, SIGCHLD})
      all_blocked = all_blocked && sigismember(&blocked, number) == 1;
    status = content("/proc/thread-self/status");
    return static_cast<ssize_t>(size);
  });
  writer.add("line\n");
  writer.finish();
  EXPECT_TRUE(all_blocked);
  for (const char* set : {"CapInh", "CapPrm", "CapEff"})
    EXPECT_NE(status.find(std::string(set) + ":\t0000000000000000\n"), std::string::npos) << status;
}

TEST_F(FileWriterTest, HasNoMemoryUntilThereIsWork) {
  const FileWriter writer(fd_.get(), 4 * kBlock, disk_.write());
  EXPECT_FALSE(writer.pending());
  EXPECT_EQ(writer.memory(), 0U);
}

}  // namespace
}  // namespace tcpdwell
