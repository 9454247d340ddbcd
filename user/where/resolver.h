// SPDX-License-Identifier: Apache-2.0
// From registers of threads to stacks with names: reads the memory, mappings and files of other
// processes, all of which are hostile. It may hang or crash: run it in a ResolverProcess.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "where/packing.h"
#include "where/process_stacks.h"
#include "where/process_view.h"

namespace tcpdwell {

class Resolver {
 public:
  // The directory of --symbols; empty: none.
  explicit Resolver(std::string symbols_directory) : cache_(std::move(symbols_directory)) {}

  // In the order of the threads.
  std::vector<ResolvedStack> resolve(const ThreadsQuestion& question);
  // In the order of the snapshots.
  std::vector<ResolvedStack> resolve(const StacksQuestion& question);
  // nullopt: no interpreter, or a version that is not known.
  std::optional<PythonPlace> find(const PythonQuestion& question);

 private:
  static constexpr std::size_t kMostProcesses = 64;
  using ProcessKey = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>;
  struct Known {
    std::unique_ptr<ProcessStacks> process;
    std::uint64_t used = 0;
  };
  ProcessStacks* find_process(const StackSnapshot& snapshot);

  ModuleCache cache_;
  std::map<ProcessKey, Known> processes_;
  std::uint64_t uses_ = 0;
};

}  // namespace tcpdwell
