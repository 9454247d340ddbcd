// SPDX-License-Identifier: Apache-2.0
// --where: where the threads of the holders are, for flags. Asks the kernel for their system calls
// and registers, and a child of ours for their stacks.
#pragma once

#include <cstdint>
#include <map>
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
    std::string symbols;       // directory of --symbols; empty: none
    bool without_paths = false;  // --where=short
  };
  // `walk` must outlive it.
  BlockedReader(const ThreadWalk& walk, Config config)
      : walk_(walk), config_(std::move(config)), resolver_(config_.symbols) {}

  // Adds ProcessFacts::blocked. Takes milliseconds, or seconds if files are read for the first time.
  // A thread that did not run since the last call is not asked for again.
  void add_to(ProcessesEvent& event);

 private:
  static constexpr std::size_t kMostProcesses = 16;  // of one event
  static constexpr std::size_t kMostKept = 4096;     // threads
  struct Kept {
    std::uint64_t switches = 0;
    ResolvedStack resolved;
  };
  using ThreadId = std::pair<std::uint32_t, std::uint32_t>;  // pid, tid

  BlockedThreads blocked_of(std::uint32_t pid, const std::vector<const WalkedThread*>& threads);
  void resolve(std::uint32_t pid, const std::vector<const WalkedThread*>& threads);

  const ThreadWalk& walk_;
  Config config_;
  ResolverProcess resolver_;
  std::map<ThreadId, Kept> kept_;
};

}  // namespace tcpdwell
