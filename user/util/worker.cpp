// SPDX-License-Identifier: Apache-2.0
#include "util/worker.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include "util/thread.h"

namespace tcpdwell {

Worker::Worker() : ready_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!ready_) throw std::system_error(errno, std::generic_category(), "cannot create an eventfd");
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = make_thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Worker::ask(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

std::vector<Worker::Answer> Worker::take_answers() {
  const std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  if (::read(ready_.get(), &count, sizeof count) < 0) return {};
  return std::exchange(answers_, {});
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    Answer answer = job();
    lock.lock();
    if (!answer) continue;
    answers_.push_back(std::move(answer));
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(ready_.get(), &one, sizeof one);
  }
}

}  // namespace tcpdwell
