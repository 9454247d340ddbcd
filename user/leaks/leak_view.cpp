// SPDX-License-Identifier: Apache-2.0
#include "leaks/leak_view.h"

#include <algorithm>

namespace tcpdwell {
namespace {

// Groups that decide no exit status stay behind the others.
bool is_older(const LeakGroup& a, const LeakGroup& b) {
  const auto rank = [](const LeakGroup& group) {
    return group.cause == Cause::Orphaned ? 2 : group.certain ? 0 : 1;
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  return a.oldest.value > b.oldest.value;
}

}  // namespace

LeftOut arrange(std::vector<LeakGroup>& groups, const LeakView& view) {
  if (view.order == LeakOrder::Age) std::stable_sort(groups.begin(), groups.end(), is_older);
  LeftOut left;
  if (view.most == 0 || groups.size() <= view.most) return left;
  for (auto it = groups.begin() + static_cast<std::ptrdiff_t>(view.most); it != groups.end();
       ++it) {
    ++left.groups;
    left.sockets += it->count;
  }
  groups.resize(view.most);
  return left;
}

void LeakVerdict::scanned(Nanos at, std::span<const FlagRecord> flags) {
  if (!limits_.growth) {
    const auto leaks = std::count_if(flags.begin(), flags.end(), [](const FlagRecord& flag) {
      return flag.raised && is_leak(flag);
    });
    failed_ = static_cast<std::uint64_t>(leaks) >= limits_.count;
    return;
  }
  Groups now;
  for (const LeakGroup& group : group_leaks(flags)) {
    if (group.cause == Cause::Orphaned || group.cause == Cause::ConnectFailed) continue;
    Counts& counts = now[without_age(group.wider_key)];
    counts.all += group.count;
    if (group.certain) counts.certain += group.count;
  }
  failed_ = false;
  if (!first_at_) {
    first_at_ = at;
    first_ = std::move(now);
    return;
  }
  const double minutes = std::chrono::duration<double, std::ratio<60>>(at - *first_at_).count();
  for (const auto& [key, count] : now) {
    const auto found = first_.find(key);
    const Counts before = found == first_.end() ? Counts{} : found->second;
    const double more =
        std::min(static_cast<double>(count.certain) - static_cast<double>(before.certain),
                 static_cast<double>(count.all) - static_cast<double>(before.all));
    failed_ = failed_ ||
              (count.certain >= limits_.count && minutes > 0 && more / minutes >= *limits_.growth);
  }
}

}  // namespace tcpdwell
