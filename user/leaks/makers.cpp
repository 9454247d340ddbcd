// SPDX-License-Identifier: Apache-2.0
#include "leaks/makers.h"

#include <algorithm>

namespace tcpdwell {
namespace {

bool is_held_by(const FlagRecord& flag, std::uint32_t pid) {
  return std::any_of(flag.holders.begin(), flag.holders.end(),
                     [pid](const Holder& holder) { return holder.process.pid == pid; });
}

// Other holders may be between the two.
Descent descent_of(const FlagRecord& flag, std::uint32_t pid, std::uint32_t maker) {
  for (std::size_t depth = 0; depth <= flag.holders.size(); ++depth) {
    const ProcessFacts* facts = facts_of(flag, pid);
    pid = facts != nullptr ? facts->parent : 0;
    if (pid == maker) return Descent::Child;
    if (pid <= 1) return Descent::Unknown;
    if (!is_held_by(flag, pid)) return Descent::Stranger;
  }
  return Descent::Unknown;
}

}  // namespace

const ProcessFacts* facts_of(const FlagRecord& flag, std::uint32_t pid) {
  const auto it = std::lower_bound(
      flag.processes.begin(), flag.processes.end(), pid,
      [](const ProcessFacts& facts, std::uint32_t wanted) { return facts.pid < wanted; });
  return it != flag.processes.end() && it->pid == pid ? &*it : nullptr;
}

const Process* maker_of(const FlagRecord& flag) {
  if (flag.holders.empty() || is_held_by(flag, 0) || !flag.attached ||
      flag.cause == Cause::NotAccepted)
    return nullptr;
  const auto& owner = flag.socket.owner;
  if (!owner || owner->via == Via::Close || owner->via == Via::Fd)
    return flag.inherited_from ? &*flag.inherited_from : nullptr;
  const bool elsewhere = owner->process.pid != 0 && !is_held_by(flag, owner->process.pid);
  return elsewhere ? &owner->process : nullptr;
}

Descent descent_from(const FlagRecord& flag, const Process& maker) {
  if (flag.inherited_from && &maker == &*flag.inherited_from) return Descent::Child;
  Descent all = Descent::Stranger;
  for (const Holder& holder : flag.holders) {
    const Descent one = descent_of(flag, holder.process.pid, maker.pid);
    if (one == Descent::Child) return one;
    if (one == Descent::Unknown) all = one;
  }
  return all;
}

}  // namespace tcpdwell
