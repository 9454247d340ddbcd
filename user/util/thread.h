// SPDX-License-Identifier: Apache-2.0
// Makes a thread, or throws a std::system_error that says what could not be made.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

namespace tcpdwell {

template <typename Job>
std::thread make_thread(Job&& job) {
  try {
    return std::thread(std::forward<Job>(job));
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(),
                            "cannot make a thread (the limits are pids.max of the cgroup, and "
                            "ulimit -u)");
  }
}

}  // namespace tcpdwell
