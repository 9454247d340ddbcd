// SPDX-License-Identifier: Apache-2.0
// Where lines go: files that are made, renamed, full, or cannot be made.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <utility>

#include "sinks/output.h"
#include "support/temporary_files.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;
using samples::content;
using samples::TemporaryDirectory;
using Status = Output::Status;

const std::string kLine = std::string(99, 'x') + '\n';

TEST(OutputFile, IsMadeOrEmptied) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out");
  std::ofstream(path) << "of another run";
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  EXPECT_EQ(content(path), "");
  output->write("one\n");
  EXPECT_TRUE(output->pending());
  EXPECT_EQ(output->flush_through(), Status::Ok);
  EXPECT_FALSE(output->pending());
  EXPECT_EQ(content(path), "one\n");
  EXPECT_FALSE(output->is_terminal());
}

TEST(OutputFile, ThatCannotBeMadeSaysWhichAndWhy) {
  auto output = Output::open("/nonexistent/out");
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().text(), "--output: opening /nonexistent/out: No such file or directory");
}

TEST(OutputFile, IsMadeAnewAfterARename) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out"), old = directory.file("out.1");
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  output->write("before\n");
  std::filesystem::rename(path, old);
  EXPECT_TRUE(output->reopen());
  output->write("after\n");
  EXPECT_EQ(output->finish(), Status::Ok);
  EXPECT_EQ(content(old), "before\n") << "what was pending belongs to the old file";
  EXPECT_EQ(content(path), "after\n");
}

TEST(OutputFile, IsContinuedWhereNobodyRenamedIt) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out");
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  output->write("before\n");
  EXPECT_TRUE(output->reopen());
  output->write("after\n");
  EXPECT_EQ(output->finish(), Status::Ok);
  EXPECT_EQ(content(path), "before\nafter\n") << "SIGHUP alone must not destroy a trace";
}

TEST(OutputFile, ThatCannotBeMadeAnewIsAnError) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory.file("sub"));
  const std::string path = directory.file("sub") + "/out";
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  std::filesystem::remove_all(directory.file("sub"));
  EXPECT_FALSE(output->reopen());
  ASSERT_TRUE(output->error());
  EXPECT_EQ(output->error()->text(),
            "--output: opening " + path + " again: No such file or directory");
  EXPECT_EQ(output->flush(), Status::Failed);
}

TEST(OutputFile, AnotherWriterIsNotOverwritten) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out");
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  output->write("one\n");
  output->flush_through();
  std::ofstream(path, std::ios::app) << "theirs\n";
  output->write("two\n");
  output->flush_through();
  EXPECT_EQ(content(path), "one\ntheirs\ntwo\n");
}

TEST(OutputFile, StdoutHasNothingToReopen) {
  auto output = Output::open("");
  ASSERT_TRUE(output);
  EXPECT_TRUE(output->reopen());
}

TEST(OutputFile, AStdoutThatIsClosedIsAnError) {
  const UniqueFd saved(::dup(STDOUT_FILENO));
  ASSERT_TRUE(saved);
  ::close(STDOUT_FILENO);
  auto output = Output::open("");
  ::dup2(saved.get(), STDOUT_FILENO);
  ASSERT_FALSE(output) << "another file would get its number";
  EXPECT_EQ(output.error().text(),
            "standard output: Bad file descriptor. It is closed: use --output FILE");
}

TEST(OutputFile, ALargeBacklogIsWrittenWhole) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out");
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  const std::string line = std::string((1U << 20U) - 1, 'x') + '\n';
  for (int i = 0; i < 64; ++i) output->write(line);
  output->write("end\n", true);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(output->finish(), Status::Ok);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 20s) << "moved at every block?";
  EXPECT_EQ(output->dropped_lines(), 0U);
  EXPECT_EQ(std::filesystem::file_size(path), (64U << 20U) + 4);
}

TEST(OutputFile, AFullDiskIsAnErrorThatNamesIt) {
  auto output = Output::open("/dev/full");
  ASSERT_TRUE(output);
  output->write(kLine);
  EXPECT_EQ(output->flush_through(), Status::Failed);
  ASSERT_TRUE(output->error());
  EXPECT_EQ(output->error()->text(), "writing to /dev/full: No space left on device");
  output->write(kLine);
  EXPECT_EQ(output->finish(), Status::Failed) << "and it stays one";
}

// Of this process, by name.
std::size_t writers() {
  std::size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    count += content(task.path() / "comm") == "tcpdwell:writer\n" ? 1 : 0;
  return count;
}

TEST(OutputFile, HasAThreadOnlyOnceSomethingIsWritten) {
  const TemporaryDirectory directory;
  {
    auto output = Output::open(directory.file("out"));
    ASSERT_TRUE(output);
    EXPECT_EQ(output->flush(), Status::Ok);
    EXPECT_EQ(writers(), 0U);
    EXPECT_EQ(output->memory(), 0U);
    output->write(kLine);
    EXPECT_EQ(output->flush_through(), Status::Ok);
    EXPECT_EQ(writers(), 1U);
  }
  EXPECT_EQ(writers(), 0U);
}

TEST(OutputFile, IsWrittenToAfterTheOutputWasMoved) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out");
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  output->write("one\n");
  output->flush();
  Output moved = std::move(*output);
  moved.write("two\n");
  EXPECT_EQ(moved.finish(), Status::Ok);
  EXPECT_EQ(content(path), "one\ntwo\n");
}

TEST(OutputFile, WhatWasFlushedIsThereWithoutAFinish) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out");
  {
    auto output = Output::open(path);
    ASSERT_TRUE(output);
    output->write("one\n");
    output->flush();
  }
  EXPECT_EQ(content(path), "one\n") << "a run that fails leaves what it had told";
}

TEST(OutputFile, MayBecomeAFifoAndAFileAgain) {
  ::signal(SIGPIPE, SIG_IGN);  // as the tracer does
  const TemporaryDirectory directory;
  const std::string path = directory.file("out");
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  output->write("file\n");
  std::filesystem::rename(path, directory.file("first"));
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_TRUE(output->reopen());
  output->write("fifo\n");
  EXPECT_EQ(output->flush_through(), Status::Ok);
  EXPECT_EQ(content(directory.file("first")), "file\n");
  std::array<char, 16> read{};
  EXPECT_EQ(::read(reader.get(), read.data(), read.size()), 5);

  std::filesystem::remove(path);
  EXPECT_TRUE(output->reopen());
  output->write("again\n");
  EXPECT_EQ(output->finish(), Status::Ok);
  EXPECT_EQ(content(path), "again\n");
  ::signal(SIGPIPE, SIG_DFL);
}

TEST(OutputFile, ThatMayNotGrowIsAnErrorThatNamesIt) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out");
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 250;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int i = 0; i < 3; ++i) output->write(kLine);
  const Status first = output->flush(), last = output->finish();
  const Status again = output->flush();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(first == Status::Ok || first == Status::Failed) << "the helper may be quicker";
  EXPECT_EQ(last, Status::Failed) << "and SIGXFSZ has not ended us";
  EXPECT_EQ(again, Status::Failed) << "and it stays one";
  ASSERT_TRUE(output->error());
  EXPECT_EQ(output->error()->text(), "writing to " + path + ": File too large");
  EXPECT_EQ(std::filesystem::file_size(path), 250U) << "what there was room for";
  EXPECT_FALSE(output->reopen());
}

}  // namespace
}  // namespace tcpdwell
