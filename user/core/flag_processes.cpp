// SPDX-License-Identifier: Apache-2.0
#include "core/flag_processes.h"

#include <algorithm>
#include <set>
#include <utility>

namespace tcpdwell {
namespace {

const ProcessFacts* facts_of(const std::vector<ProcessFacts>& all, std::uint32_t pid) {
  const auto it = std::lower_bound(
      all.begin(), all.end(), pid,
      [](const ProcessFacts& facts, std::uint32_t wanted) { return facts.pid < wanted; });
  return it != all.end() && it->pid == pid ? &*it : nullptr;
}

}  // namespace

void add_facts(const std::vector<ProcessFacts>& all, FlagRecord& record) {
  std::set<std::uint32_t> pids;
  for (Holder& holder : record.holders) {
    const ProcessFacts* facts = facts_of(all, holder.process.pid);
    if (facts != nullptr) holder.state = facts->state;
    pids.insert(holder.process.pid);
  }
  if (record.other_end && record.other_end->process.pid != 0)
    pids.insert(record.other_end->process.pid);
  for (const std::uint32_t pid : pids)
    if (const ProcessFacts* facts = facts_of(all, pid)) record.processes.push_back(*facts);
}

bool by_pid_and_fd(const Holder& a, const Holder& b) {
  return std::pair(a.process.pid, a.fd) < std::pair(b.process.pid, b.fd);
}

}  // namespace tcpdwell
