// SPDX-License-Identifier: Apache-2.0
// Starts a thread. Throws a std::system_error whose message names the limits to check.
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
                            "cannot start a thread (check pids.max of the cgroup and ulimit -u)");
  }
}

}  // namespace tcpdwell
