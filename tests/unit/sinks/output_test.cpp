// SPDX-License-Identifier: Apache-2.0
// Where lines go: pipes, sockets, devices and terminals that are full, gone or stalled.
#include "sinks/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "support/temporary_files.h"

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

const std::string kFullLine = std::string(99, 'x') + '\n';

class OutputPipe : public testing::Test {
 protected:
  OutputPipe() { ::signal(SIGPIPE, SIG_IGN); }  // as the tracer does
  ~OutputPipe() override { ::signal(SIGPIPE, SIG_DFL); }
};

TEST_F(OutputPipe, WhoseReaderIsGoneIsClosedNotAnError) {
  Pipe pipe;
  Output output(pipe.writer.get());
  pipe.reader.reset();
  output.write(kFullLine);
  EXPECT_EQ(output.flush_through(), Status::Closed);
  EXPECT_FALSE(output.error());
  output.write(kFullLine);
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
    output.write(kFullLine);
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
  EXPECT_EQ(text.size(), (lines_in(text) - 1) * kFullLine.size() + 4) << "a line was cut";
}

TEST_F(OutputPipe, ThatNobodyReadsIsGivenUpWithACount) {
  Pipe pipe;
  Output output(pipe.writer.get(), 200'000);
  for (int i = 0; i < 2'000; ++i) output.write(kFullLine);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(output.finish(), Status::Ok);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_FALSE(output.pending());
  pipe.writer.reset();
  const std::string text = read_all(pipe.reader.get());
  EXPECT_EQ(lines_in(text) + output.dropped_lines(), 2'000U) << "a torn line counts as dropped";
}

TEST_F(OutputPipe, WhoseReaderTricklesIsGivenUpAfterFiveSeconds) {
  Pipe pipe;
  Output output(pipe.writer.get());
  for (int i = 0; i < 20'000; ++i) output.write(kFullLine);
  std::atomic<bool> over = false;
  std::size_t read = 0;
  std::thread reader([&] {  // 4 KiB every 20 ms: the 2 MB would take it 10 s
    std::array<char, 4096> some;
    while (!over) {
      read += static_cast<std::size_t>(::read(pipe.reader.get(), some.data(), some.size()));
      std::this_thread::sleep_for(20ms);
    }
  });
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(output.finish(), Status::Ok);
  const auto took = std::chrono::steady_clock::now() - began;
  over = true;
  reader.join();
  EXPECT_GT(took, 4s) << "it never stalled for a second";
  EXPECT_GT(output.dropped_lines(), 0U);
  EXPECT_GT(read, 0U);
}

TEST_F(OutputPipe, ThatIsNonblockingForOthersIsWaitedForAllTheSame) {
  Pipe pipe;
  ::fcntl(pipe.writer.get(), F_SETFL, O_NONBLOCK);
  Output output(pipe.writer.get());
  constexpr std::size_t kFullLines = 50'000;
  for (std::size_t i = 0; i < kFullLines; ++i) output.write(kFullLine);
  output.flush();
  std::string text;
  std::thread reader([&] { text = read_all(pipe.reader.get()); });
  EXPECT_EQ(output.finish(), Status::Ok);
  pipe.writer.reset();
  reader.join();
  EXPECT_EQ(lines_in(text), kFullLines);
  EXPECT_EQ(output.dropped_lines(), 0U);
}

class OutputSocket : public OutputPipe {
 protected:
  OutputSocket() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    reader_ = UniqueFd(fds[0]);
    writer_ = UniqueFd(fds[1]);
  }
  UniqueFd reader_, writer_;
};

TEST_F(OutputSocket, GetsAllInOrder) {
  Output output(writer_.get());
  std::string wanted, text;
  std::thread reader([&] { text = read_all(reader_.get()); });
  for (int i = 0; i < 200'000; ++i) {
    const std::string line = std::to_string(i) + '\n';
    wanted += line;
    output.write(line);
    if (i % 1'000 == 0) output.flush();
  }
  EXPECT_EQ(output.finish(), Status::Ok);
  writer_.reset();
  reader.join();
  EXPECT_TRUE(text == wanted);
}

TEST_F(OutputSocket, WhoseReaderStallsIsGivenUpWithACount) {
  Output output(writer_.get(), 1U << 20U);
  for (int i = 0; i < 20'000; ++i) {
    output.write(kFullLine);
    if (i % 1'000 == 0) output.flush();
  }
  EXPECT_GT(output.dropped_lines(), 0U);
  EXPECT_EQ(output.finish(), Status::Ok);
  writer_.reset();
  EXPECT_EQ(lines_in(read_all(reader_.get())) + output.dropped_lines(), 20'000U);
}

TEST_F(OutputSocket, WhoseReaderIsGoneIsClosedNotAnError) {
  Output output(writer_.get());
  reader_.reset();
  output.write(kFullLine);
  EXPECT_EQ(output.flush_through(), Status::Closed);
  EXPECT_FALSE(output.error());
}

TEST_F(OutputSocket, OfTcpWhoseReaderIsGoneIsClosedNotAnError) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd writer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const where = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener.get(), where, size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), where, &size), 0);
  ASSERT_EQ(::connect(writer.get(), where, size), 0);
  UniqueFd reader(::accept(listener.get(), nullptr, nullptr));
  Output output(writer.get());
  output.write(kFullLine);
  EXPECT_EQ(output.flush_through(), Status::Ok);
  reader.reset();  // it leaves that line unread: an RST
  Status status = Status::Ok;
  for (int i = 0; i < 1'000 && status == Status::Ok; ++i) {
    output.write(kFullLine);
    status = output.flush_through();
  }
  EXPECT_EQ(status, Status::Closed) << "ECONNRESET";
  EXPECT_FALSE(output.error());
}

TEST_F(OutputPipe, OfStdoutIsNotMadeNonblocking) {
  Pipe pipe;
  Output output(pipe.writer.get());
  output.write(kFullLine);
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
  for (int i = 0; i < 9'000; ++i) output->write(kFullLine);
  EXPECT_EQ(output->flush(), Status::Ok);
  EXPECT_TRUE(output->wait(0, 60s)) << "900 kB, which nobody has begun to read";
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

// SIGHUP, when the reader of the FIFO has stalled.
TEST_F(OutputPipe, AFifoThatStallsDoesNotKeepWhatIsForTheFileInItsPlace) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  for (int i = 0; i < 30'000; ++i) output->write(kFullLine);
  output->flush();
  std::filesystem::remove(path);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(output->reopen());
  output->write("new\n");
  while (output->pending() && std::chrono::steady_clock::now() - began < 60s) {
    EXPECT_EQ(output->flush(), Status::Ok);
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(samples::content(path), "new\n");
  EXPECT_GT(output->dropped_lines(), 0U);
  EXPECT_LT(output->dropped_lines(), 30'000U) << "those that the FIFO took are not lost";
}

TEST(OutputTerminal, ThatStallsDoesNotBlock) {
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const UniqueFd owns_master(master), owns_slave(slave);
  ::alarm(30);  // a write that blocks would hang the test
  Output output(slave, 100'000);
  EXPECT_TRUE(output.is_terminal());
  for (int i = 0; i < 10'000; ++i) {
    output.write(kFullLine);
    output.flush();
  }
  EXPECT_GT(output.dropped_lines(), 0U);
  EXPECT_EQ(output.finish(), Status::Ok);
  ::alarm(0);
  EXPECT_EQ(::fcntl(slave, F_GETFL) & O_NONBLOCK, 0) << "the shell's own descriptor is untouched";
}

TEST(OutputTerminal, ShowsAllToWhoeverReads) {
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const UniqueFd owns_master(master);
  UniqueFd owns_slave(slave);
  Output output(slave);
  std::string text;
  std::thread reader([&] { text = read_all(master); });  // ends with EIO
  for (int i = 0; i < 20'000; ++i) output.write(kFullLine);
  EXPECT_EQ(output.finish(), Status::Ok);
  owns_slave.reset();
  reader.join();
  EXPECT_EQ(lines_in(text), 20'000U);
}

TEST(OutputDevice, NullTakesEverything) {
  auto output = Output::open("/dev/null");
  ASSERT_TRUE(output);
  for (int i = 0; i < 100'000; ++i) {
    output->write(kFullLine);
    if (i % 1'000 == 0) output->flush();
  }
  EXPECT_EQ(output->finish(), Status::Ok);
  EXPECT_FALSE(output->pending());
  EXPECT_EQ(output->dropped_lines(), 0U);
}

TEST(Output, AClosedDescriptorIsAnError) {
  Output none(-1);
  none.write(kFullLine);
  EXPECT_EQ(none.flush_through(), Status::Failed);

  Pipe pipe;
  Output after(pipe.writer.get());
  pipe.writer.reset();
  after.write(kFullLine);
  EXPECT_EQ(after.flush_through(), Status::Failed);
}

TEST(Output, WithoutAFlushALineStays) {
  Output output(-1, 250);
  output.write(kFullLine);
  output.write(kFullLine);
  output.write(kFullLine);
  EXPECT_EQ(output.dropped_lines(), 1U) << "250 bytes take two lines of 100";
  output.write("short\n");
  EXPECT_EQ(output.dropped_lines(), 1U) << "a short one still fits";
  output.write(kFullLine, true);
  EXPECT_EQ(output.dropped_lines(), 1U);
}

}  // namespace
}  // namespace tcpdwell
