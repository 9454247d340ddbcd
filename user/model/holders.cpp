// SPDX-License-Identifier: Apache-2.0
#include "model/holders.h"

#include <algorithm>
#include <iterator>
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

const Process* only_holder(const std::vector<Holder>& holders) {
  if (holders.empty() || holders.front().process.pid == 0) return nullptr;
  const std::uint32_t pid = holders.front().process.pid;
  const bool one = std::all_of(holders.begin(), holders.end(),
                               [&](const Holder& holder) { return holder.process.pid == pid; });
  return one ? &holders.front().process : nullptr;
}

bool is_held_by_followed(const std::vector<Holder>& holders) {
  return std::any_of(holders.begin(), holders.end(),
                     [](const Holder& holder) { return holder.followed; });
}

bool by_pid_and_fd(const Holder& a, const Holder& b) {
  return std::pair(a.process.pid, a.fd) < std::pair(b.process.pid, b.fd);
}

std::vector<Holder> visible_holders(const std::vector<Holder>& holders) {
  std::vector<Holder> visible;
  std::copy_if(holders.begin(), holders.end(), std::back_inserter(visible),
               [](const Holder& holder) { return holder.process.pid != 0; });
  std::sort(visible.begin(), visible.end(), by_pid_and_fd);
  return visible;
}

void add_facts(const std::vector<ProcessFacts>& all, FlagRecord& record) {
  std::set<std::uint32_t> pids;
  for (Holder& holder : record.holders) {
    const ProcessFacts* facts = facts_of(all, holder.process.pid);
    if (facts != nullptr) holder.state = facts->state == kFrozen ? 'S' : facts->state;
    pids.insert(holder.process.pid);
  }
  if (record.other_end && record.other_end->process.pid != 0)
    pids.insert(record.other_end->process.pid);
  for (const std::uint32_t pid : pids)
    if (const ProcessFacts* facts = facts_of(all, pid)) record.processes.push_back(*facts);
}

}  // namespace tcpdwell
