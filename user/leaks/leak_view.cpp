// SPDX-License-Identifier: Apache-2.0
#include "leaks/leak_view.h"

#include <algorithm>
#include <iterator>

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
  std::vector<FlagRecord> leaks;
  std::copy_if(flags.begin(), flags.end(), std::back_inserter(leaks),
               [](const FlagRecord& flag) { return flag.raised && is_leak(flag); });
  if (!limits_.growth) {
    failed_ = leaks.size() >= limits_.count;
    return;
  }
  Counts now;
  for (const LeakGroup& group : group_leaks(leaks)) now[group.wider_key] += group.count;
  failed_ = false;
  if (!first_at_) {
    first_at_ = at;
    first_ = std::move(now);
    return;
  }
  const double minutes = std::chrono::duration<double, std::ratio<60>>(at - *first_at_).count();
  for (const auto& [key, count] : now) {
    const auto before = first_.find(key);
    const double more = static_cast<double>(count) -
                        (before == first_.end() ? 0.0 : static_cast<double>(before->second));
    failed_ =
        failed_ || (count >= limits_.count && minutes > 0 && more / minutes >= *limits_.growth);
  }
}

}  // namespace tcpdwell
