// SPDX-License-Identifier: Apache-2.0
// One helper thread for slow work. It runs jobs in the order of ask(). A job returns an Answer,
// which the asking thread fetches and calls.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "util/unique_fd.h"

namespace tcpdwell {

class Worker {
 public:
  using Answer = std::function<void()>;
  using Job = std::function<Answer()>;  // may return an empty Answer

  // Blocks all signals in the helper thread: the event loop handles them. Throws std::system_error.
  Worker();
  // Drops jobs that have not started, and waits for the running one.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void ask(Job job);
  // The answers so far. Call it on the asking thread.
  std::vector<Answer> take_answers();
  int fd() const { return ready_.get(); }  // readable when there are answers

 private:
  void run();

  UniqueFd ready_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::vector<Answer> answers_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tcpdwell
