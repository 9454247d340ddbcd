// SPDX-License-Identifier: Apache-2.0
#include "util/worker.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tcpdwell {
namespace {

bool readable(int fd, int wait_ms) {
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&ready, 1, wait_ms) == 1;
}

void run_answers(Worker& worker) {
  for (const Worker::Answer& answer : worker.take_answers()) answer();
}

TEST(Worker, NoAnswersWithoutJobs) {
  Worker worker;
  EXPECT_FALSE(readable(worker.fd(), 20));
  EXPECT_TRUE(worker.take_answers().empty());
}

TEST(Worker, AnswersRunInOrderOnAskingThread) {
  Worker worker;
  constexpr int kJobs = 200;
  std::vector<int> seen;
  const auto here = std::this_thread::get_id();
  for (int i = 0; i < kJobs; ++i)
    worker.ask([&seen, here, i]() -> Worker::Answer {
      EXPECT_NE(std::this_thread::get_id(), here);
      return [&seen, here, i] {
        EXPECT_EQ(std::this_thread::get_id(), here);
        seen.push_back(i);
      };
    });
  while (seen.size() < kJobs && readable(worker.fd(), 60'000)) run_answers(worker);
  ASSERT_EQ(seen.size(), kJobs);
  for (int i = 0; i < kJobs; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
  EXPECT_FALSE(readable(worker.fd(), 0)) << "take_answers() resets the descriptor";
}

TEST(Worker, JobWithoutAnswerSignalsNothing) {
  Worker worker;
  bool answered = false;
  worker.ask([] { return Worker::Answer(); });
  worker.ask([&answered]() -> Worker::Answer { return [&answered] { answered = true; }; });
  while (!answered && readable(worker.fd(), 60'000)) run_answers(worker);
  EXPECT_TRUE(answered);
}

TEST(Worker, CanBeDestroyedWithPendingJobs) {
  for (int i = 0; i < 50; ++i) {
    Worker worker;
    for (int k = 0; k < 100; ++k) worker.ask([] { return Worker::Answer(); });
  }
}

// The blocked-signal masks of all our threads except the calling one.
std::vector<std::uint64_t> blocked_by_other_threads() {
  std::vector<std::uint64_t> masks;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::gettid())) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("SigBlk:")) masks.push_back(std::stoull(line.substr(7), nullptr, 16));
  }
  return masks;
}

TEST(Worker, ThreadBlocksAllSignals) {
  sigset_t before, after;
  const std::size_t others = blocked_by_other_threads().size();  // sanitizers have own threads
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  const Worker worker;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  std::size_t deaf = 0;
  for (const std::uint64_t mask : blocked_by_other_threads())
    deaf += (mask >> (SIGINT - 1) & mask >> (SIGTERM - 1) & mask >> (SIGHUP - 1) & 1U);
  EXPECT_GE(deaf, 1U) << "of " << others + 1;
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    EXPECT_EQ(::sigismember(&before, number), ::sigismember(&after, number))
        << "the mask of the calling thread is restored";
}

}  // namespace
}  // namespace tcpdwell
