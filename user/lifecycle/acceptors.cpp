// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/acceptors.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <iterator>

namespace tcpdwell {
namespace {

using Pids = absl::flat_hash_set<std::uint32_t>;

// The parents are not read from /proc at one moment: with a reused pid they can form a cycle.
constexpr int kDeepest = 1000;

Pids ancestors_of(std::span<const std::uint32_t> holders, std::span<const Parent> parents) {
  absl::flat_hash_map<std::uint32_t, std::uint32_t> parent_of;
  for (const Parent& one : parents) parent_of[one.pid] = one.parent;
  Pids ancestors;
  for (const std::uint32_t holder : holders) {
    auto up = parent_of.find(holder);
    for (int depth = 0; up != parent_of.end() && depth < kDeepest; ++depth) {
      if (up->second == holder) break;
      ancestors.insert(up->second);
      up = parent_of.find(up->second);
    }
  }
  return ancestors;
}

}  // namespace

std::vector<std::uint32_t> choose_acceptors(std::span<const std::uint32_t> holders,
                                            std::span<const std::uint32_t> accepted,
                                            std::span<const Parent> parents) {
  std::vector<std::uint32_t> all(holders.begin(), holders.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  const auto those = [&](auto&& fit) {
    std::vector<std::uint32_t> chosen;
    std::copy_if(all.begin(), all.end(), std::back_inserter(chosen), fit);
    return chosen;
  };
  const Pids accepting(accepted.begin(), accepted.end());
  auto chosen = those([&](std::uint32_t pid) { return accepting.contains(pid); });
  if (!chosen.empty()) return chosen;
  const Pids ancestors = ancestors_of(all, parents);
  chosen = those([&](std::uint32_t pid) { return !ancestors.contains(pid); });
  return chosen.empty() ? all : chosen;
}

}  // namespace tcpdwell
