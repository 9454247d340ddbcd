// SPDX-License-Identifier: Apache-2.0
// --where in a trace: turns what the kernel side captured into StackEvents. A thread of its own
// reads the ring and asks a child of ours for names: neither may delay the loop. A process with a
// Python interpreter must be known before its frames can be walked: looks for one at the start,
// when a program is executed, and at the first stack of a process.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "kernel/stack_programs.h"
#include "model/event.h"
#include "util/unique_fd.h"
#include "where/resolver_process.h"

namespace tcpdwell {

class StackCollector {
 public:
  struct Config {
    tcpdwell_filter filter{};
    std::string symbols;                // directory of --symbols; empty: none
    bool without_paths = false;         // --where=short
    std::optional<int> followed_tasks;  // Programs::followed_tasks(): no other process matters
  };
  // Loads and attaches BPF programs: before rights are dropped.
  static Result<std::unique_ptr<StackCollector>> open(Config config);
  ~StackCollector();
  StackCollector(const StackCollector&) = delete;
  StackCollector& operator=(const StackCollector&) = delete;

  bool sees_accept() const { return programs_.sees_accept(); }
  bool sees_eof() const { return programs_.sees_eof(); }

  // Starts the thread, with the rights that the caller has now. Waits some seconds at most until
  // the processes that run already are known.
  void start();
  int fd() const { return ready_.get(); }  // readable when there are events
  std::vector<StackEvent> take();
  // Waits until all that was captured before has its names and is there to take(), at most
  // `patience`. From any thread.
  void catch_up(std::chrono::milliseconds patience);
  // Stacks that were not read: more than the budget, or nobody fetched the events.
  std::uint64_t over_budget() const { return over_budget_ + programs_.lost(); }

 private:
  using Clock = std::chrono::steady_clock;
  using ProcessId = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>;
  // A process that has just executed a program maps its interpreter a little later.
  struct Look {
    Clock::time_point at{};
    std::uint32_t pid = 0;
    unsigned tries = 0;
  };
  struct Named {
    std::uint32_t number = 0;
    std::shared_ptr<const Stack> stack;
  };

  StackCollector(StackPrograms programs, Config config);
  void run();
  void wait();
  // Returns true if there was more in the ring than one question can have.
  bool collect();
  void named(Nanos until);
  void look_for_pythons();
  bool look_for_python(std::uint32_t pid, std::chrono::milliseconds patience);
  void first_event_of(const StackSnapshot& snapshot);
  void look_again(std::uint32_t pid);
  void look_later(const Look& look);
  void resolve(std::vector<CapturedStack> captured);
  void publish(const CapturedStack& captured, ResolvedStack resolved);
  Named number_of(ResolvedStack resolved);
  void deliver(StackEvent event);

  StackPrograms programs_;
  const Config config_;
  // Used by the thread.
  ResolverProcess resolver_;
  std::set<ProcessId> seen_;
  std::deque<Look> looks_;                        // in the order of their time
  std::unordered_map<std::string, Named> named_;  // by their packed content
  std::uint32_t next_number_ = 1;

  std::atomic<std::uint64_t> over_budget_ = 0;
  UniqueFd ready_, wake_;
  std::mutex mutex_;
  std::condition_variable caught_up_;
  std::vector<StackEvent> events_;
  Nanos named_until_{};  // all that was captured before this
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tcpdwell
