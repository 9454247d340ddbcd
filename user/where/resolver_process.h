// SPDX-License-Identifier: Apache-2.0
// Runs a Resolver in a child of ours. Its files and memory belong to others: a FUSE server may
// never answer, and a damaged file may crash a parser. Then only the child is lost, and another one
// is made for a later question; at most kMostLost. Not thread safe.
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
  // A child that has not answered for so long hangs. Names of a large file take long when they are
  // first read.
  static constexpr std::chrono::seconds kHangs{30};

  explicit ResolverProcess(std::string symbols_directory)
      : symbols_directory_(std::move(symbols_directory)) {}
  ~ResolverProcess() { end(); }
  ResolverProcess(const ResolverProcess&) = delete;
  ResolverProcess& operator=(const ResolverProcess&) = delete;

  // In the order of the threads, at most kMostAsked. Waits up to `patience`. If that is too short,
  // there are no stacks (NoStack::Budget), until the child has done with this question.
  std::vector<ResolvedStack> ask(const ThreadsQuestion& question,
                                 std::chrono::milliseconds patience);
  // In the order of the snapshots, at most kMostAsked.
  std::vector<ResolvedStack> ask(const StacksQuestion& question,
                                 std::chrono::milliseconds patience);
  // nullopt: no interpreter of a known version, or no answer.
  std::optional<PythonPlace> ask(const PythonQuestion& question,
                                 std::chrono::milliseconds patience);

 private:
  using Clock = std::chrono::steady_clock;
  enum class Received : std::uint8_t { Answer, Nothing, Damage };
  bool start();
  void end();
  void lose();
  Received receive(Clock::time_point until, std::string& answer);
  // Empty if `missing` is set.
  std::string exchange(const std::string& question, std::chrono::milliseconds patience,
                       NoStack& missing);
  std::vector<ResolvedStack> ask_for_stacks(const std::string& question, std::size_t count,
                                            std::chrono::milliseconds patience);
  bool is_busy(std::chrono::milliseconds patience);

  std::string symbols_directory_;
  std::optional<Clock::time_point> asked_;  // a question that was not answered in time
  std::string incoming_;                    // of an answer
  UniqueFd channel_;
  int child_ = -1;
  unsigned lost_ = 0;
};

}  // namespace tcpdwell
