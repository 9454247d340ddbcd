// SPDX-License-Identifier: Apache-2.0
// --where: where the threads of the holders are, for flags. Asks the kernel for their system calls
// and registers, and a child of ours for their stacks.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel/thread_walk.h"
#include "model/event.h"
#include "where/resolver_process.h"

namespace tcpdwell {

class BlockedReader {
 public:
  struct Config {
    std::string symbols;                       // directory of --symbols; empty: none
    bool without_paths = false;                // --where=short
    std::chrono::milliseconds patience{5000};  // for one event: how long flags may wait for it
  };
  // Loads a BPF program: before rights are dropped.
  static Result<std::unique_ptr<BlockedReader>> open(Config config);

  // Adds ProcessFacts::blocked. Takes milliseconds, or seconds if files are read for the first
  // time. A thread that did not run since the last call is not asked for again.
  void add_to(ProcessesEvent& event);

 private:
  static constexpr std::size_t kMostProcesses = 16;  // of one event
  static constexpr std::size_t kMostKept = 4096;     // threads
  struct Kept {
    std::uint64_t switches = 0;
    ResolvedStack resolved;
  };
  using ThreadId = std::pair<std::uint32_t, std::uint32_t>;  // pid, tid

  BlockedReader(ThreadWalk walk, Config config)
      : walk_(std::move(walk)), config_(std::move(config)), resolver_(config_.symbols) {}
  BlockedThreads blocked_of(std::uint32_t pid, const std::vector<const WalkedThread*>& threads);
  void resolve(std::uint32_t pid, const std::vector<const WalkedThread*>& threads);

  ThreadWalk walk_;
  Config config_;
  ResolverProcess resolver_;
  std::map<ThreadId, Kept> kept_;
  std::chrono::steady_clock::time_point until_{};  // of this event
};

}  // namespace tcpdwell
