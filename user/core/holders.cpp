// SPDX-License-Identifier: Apache-2.0
#include "core/holders.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tcpdwell {

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

std::vector<Holder> visible_holders(const std::vector<Holder>& holders) {
  std::vector<Holder> visible;
  std::copy_if(holders.begin(), holders.end(), std::back_inserter(visible),
               [](const Holder& holder) { return holder.process.pid != 0; });
  std::sort(visible.begin(), visible.end(), [](const Holder& a, const Holder& b) {
    return std::pair(a.process.pid, a.fd) < std::pair(b.process.pid, b.fd);
  });
  return visible;
}

}  // namespace tcpdwell
