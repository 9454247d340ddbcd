// SPDX-License-Identifier: Apache-2.0
// Where lines go: pipes and terminals that are full, gone or stalled.
#include "sinks/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "temporary_files.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;
using samples::TemporaryDirectory;
using Status = Output::Status;

struct Pipe {
  UniqueFd reader, writer;
  Pipe() {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    reader = UniqueFd(fds[0]);
    writer = UniqueFd(fds[1]);
  }
};

// All that there is until the writers are gone.
std::string read_all(int fd) {
  std::string all;
  std::array<char, 65536> block;
  for (ssize_t size = 0; (size = ::read(fd, block.data(), block.size())) > 0;)
    all.append(block.data(), static_cast<std::size_t>(size));
  return all;
}

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

const std::string kLine = std::string(99, 'x') + '\n';

class OutputPipe : public testing::Test {
 protected:
  OutputPipe() { ::signal(SIGPIPE, SIG_IGN); }  // as the tracer does
  ~OutputPipe() override { ::signal(SIGPIPE, SIG_DFL); }
};

TEST_F(OutputPipe, WhoseReaderIsGoneIsClosedNotAnError) {
  Pipe pipe;
  Output output(pipe.writer.get());
  pipe.reader.reset();
  output.write(kLine);
  EXPECT_EQ(output.flush(), Status::Closed);
  EXPECT_FALSE(output.error());
  output.write(kLine);
  EXPECT_EQ(output.finish(), Status::Closed);
  EXPECT_EQ(output.dropped_lines(), 0U) << "nobody is left to miss a line";
}

TEST_F(OutputPipe, WhoseReaderStallsNeverBlocksAndCostsWholeLines) {
  Pipe pipe;
  constexpr std::size_t kBacklog = 10'000;
  Output output(pipe.writer.get(), kBacklog);
  const auto began = std::chrono::steady_clock::now();
  constexpr std::size_t kWritten = 5'000;
  for (std::size_t i = 0; i < kWritten; ++i) {
    output.write(kLine);
    EXPECT_EQ(output.flush(), Status::Ok);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
  EXPECT_GT(output.dropped_lines(), 0U);
  output.write("end\n", true);

  std::string text;
  std::thread reader([&] { text = read_all(pipe.reader.get()); });
  EXPECT_EQ(output.finish(), Status::Ok);
  pipe.writer.reset();
  reader.join();
  EXPECT_TRUE(text.ends_with("\nend\n")) << "the last line is taken with a full backlog, too";
  EXPECT_EQ(lines_in(text) - 1 + output.dropped_lines(), kWritten);
  EXPECT_EQ(text.size(), (lines_in(text) - 1) * kLine.size() + 4) << "a line was cut";
}

TEST_F(OutputPipe, WhoseReaderHasCaughtUpGivesTheBacklogBack) {
  Pipe pipe;
  Output output(pipe.writer.get());
  const std::string block(1U << 20U, '\n');
  for (int i = 0; i < 32; ++i) output.write(block);
  EXPECT_GE(output.memory(), 32U << 20U);
  std::thread reader([&] { read_all(pipe.reader.get()); });
  while (output.pending()) EXPECT_EQ(output.finish(), Status::Ok);
  pipe.writer.reset();
  reader.join();
  EXPECT_LE(output.memory(), 8U << 20U);
}

TEST_F(OutputPipe, ThatNobodyReadsIsGivenUpWithACount) {
  Pipe pipe;
  Output output(pipe.writer.get(), 200'000);
  for (int i = 0; i < 2'000; ++i) output.write(kLine);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(output.finish(), Status::Ok);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_FALSE(output.pending());
  pipe.writer.reset();
  const std::string text = read_all(pipe.reader.get());
  EXPECT_EQ(lines_in(text) + output.dropped_lines(), 2'000U) << "a torn line counts as dropped";
}

TEST_F(OutputPipe, OfStdoutIsNotMadeNonblocking) {
  Pipe pipe;
  Output output(pipe.writer.get());
  output.write(kLine);
  output.flush();
  EXPECT_EQ(::fcntl(pipe.writer.get(), F_GETFL) & O_NONBLOCK, 0)
      << "the flag would be that of the shell and of all who share the pipe";
}

TEST_F(OutputPipe, AFifoAsFileIsWrittenInOrder) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::string text;
  std::thread reader([&] {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    text = read_all(fd.get());
  });
  {
    auto output = Output::open(path);
    ASSERT_TRUE(output);
    for (int i = 0; i < 5'000; ++i) output->write(std::to_string(i) + '\n');
    EXPECT_EQ(output->finish(), Status::Ok);
  }
  reader.join();
  std::string wanted;
  for (int i = 0; i < 5'000; ++i) wanted += std::to_string(i) + '\n';
  EXPECT_EQ(text, wanted);
}

TEST_F(OutputPipe, AFifoTakesALargeBlockAtOnce) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  for (int i = 0; i < 9'000; ++i) output->write(kLine);
  EXPECT_EQ(output->flush(), Status::Ok);
  EXPECT_FALSE(output->pending()) << "900 kB, which nobody has begun to read";
}

TEST_F(OutputPipe, AFifoThatNobodyReadsAnyMoreIsNotWaitedFor) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::thread reader([&] { UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); });
  auto output = Output::open(path);
  reader.join();
  ASSERT_TRUE(output);
  ::alarm(30);  // an open() that waits for a reader would hang the test
  EXPECT_FALSE(output->reopen());
  ::alarm(0);
  EXPECT_EQ(output->flush(), Status::Closed);
  EXPECT_FALSE(output->error()) << "a reader that left is no failure";
}

TEST_F(OutputPipe, AFastReaderDoesNotKeepTheCaller) {
  Pipe pipe;
  Output output(pipe.writer.get());
  constexpr std::size_t kLines = 600'000;
  for (std::size_t i = 0; i < kLines; ++i) output.write(kLine);
  std::size_t bytes = 0;
  std::thread reader([&] { bytes = read_all(pipe.reader.get()).size(); });
  while (output.pending()) {
    const auto began = std::chrono::steady_clock::now();
    ASSERT_EQ(output.flush(), Status::Ok);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 1s) << "5 ms, but for a busy machine";
  }
  pipe.writer.reset();
  reader.join();
  EXPECT_EQ(bytes, kLines * kLine.size()) << "what a flush leaves is written by the next ones";
}

TEST(OutputTerminal, ThatStallsDoesNotBlock) {
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const UniqueFd owns_master(master), owns_slave(slave);
  ::alarm(30);  // a write that blocks would hang the test
  Output output(slave, 100'000);
  EXPECT_TRUE(output.is_terminal());
  for (int i = 0; i < 10'000; ++i) {
    output.write(kLine);
    output.flush();
  }
  EXPECT_GT(output.dropped_lines(), 0U);
  EXPECT_EQ(output.finish(), Status::Ok);
  ::alarm(0);
  EXPECT_EQ(::fcntl(slave, F_GETFL) & O_NONBLOCK, 0) << "the shell's own descriptor is untouched";
}

TEST(Output, AClosedDescriptorIsAnError) {
  Output output(-1);
  output.write(kLine);
  EXPECT_EQ(output.flush(), Status::Ok) << "poll() takes a negative descriptor for none";
  EXPECT_TRUE(output.pending());

  Pipe pipe;
  const int closed = pipe.writer.get();
  Output after(closed);
  pipe.writer.reset();
  after.write(kLine);
  EXPECT_EQ(after.flush(), Status::Failed);
}

TEST(Output, WithoutAFlushALineStays) {
  Output output(-1, 250);
  output.write(kLine);
  output.write(kLine);
  output.write(kLine);
  EXPECT_EQ(output.dropped_lines(), 1U) << "250 bytes take two lines of 100";
  output.write("short\n");
  EXPECT_EQ(output.dropped_lines(), 1U) << "a short one still fits";
  output.write(kLine, true);
  EXPECT_EQ(output.dropped_lines(), 1U);
}

}  // namespace
}  // namespace tcpdwell
