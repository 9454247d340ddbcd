// SPDX-License-Identifier: Apache-2.0
// From registers of threads to stacks with names: reads the memory, mappings and files of other
// processes, all of which are hostile. It may hang or crash: run it in a ResolverProcess.
#pragma once

#include <string>
#include <vector>

#include "where/packing.h"
#include "where/process_view.h"

namespace tcpdwell {

class Resolver {
 public:
  // The directory of --symbols; empty: none.
  explicit Resolver(std::string symbols_directory) : cache_(std::move(symbols_directory)) {}

  // In the order of the threads.
  std::vector<ResolvedStack> resolve(const ThreadsQuestion& question);

 private:
  ModuleCache cache_;
};

}  // namespace tcpdwell
