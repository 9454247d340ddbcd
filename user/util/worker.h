// SPDX-License-Identifier: Apache-2.0
// One helper thread for what is slow: does jobs in the order they are given. What a job returns is
// fetched, and called, by the thread that asked.
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
  using Job = std::function<Answer()>;  // an empty Answer: nothing to say

  // Its thread takes no signals: they are the event loop's.
  Worker();
  // Jobs that were not begun are dropped; one that runs is waited for.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void ask(Job job);
  // Those that are there. To be called on the thread that asked.
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
