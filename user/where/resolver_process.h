// SPDX-License-Identifier: Apache-2.0
// Runs a Resolver in a child of ours. Its files and memory belong to others: a FUSE server may never
// answer, and a damaged file may crash a parser. Then only the child is lost, and another one is
// made for the next question; at most kMostLost. Not thread safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "util/unique_fd.h"
#include "where/packing.h"

namespace tcpdwell {

class ResolverProcess {
 public:
  static constexpr unsigned kMostLost = 16;
  // Names of a large file take long when they are first read.
  static constexpr std::chrono::milliseconds kPatience{5000};

  explicit ResolverProcess(std::string symbols_directory)
      : symbols_directory_(std::move(symbols_directory)) {}
  ~ResolverProcess() { end(); }
  ResolverProcess(const ResolverProcess&) = delete;
  ResolverProcess& operator=(const ResolverProcess&) = delete;

  // In the order of the threads, at most kMostAsked. Waits up to `patience`.
  std::vector<ResolvedStack> ask(const ThreadsQuestion& question,
                                 std::chrono::milliseconds patience = kPatience);

 private:
  bool start();
  void end();
  std::optional<std::vector<ResolvedStack>> receive(std::chrono::milliseconds patience);

  std::string symbols_directory_;
  UniqueFd channel_;
  int child_ = -1;
  unsigned lost_ = 0;
};

}  // namespace tcpdwell
