// SPDX-License-Identifier: Apache-2.0
#include "stats/full_queue_log.h"

#include <algorithm>
#include <tuple>

namespace tcpdwell {

void FullQueueLog::see(const FullQueues& walk) {
  if (!walk.at || walk.at == seen_until_) return;
  seen_until_ = walk.at;
  for (Seen* seen : {&now_, &ever_}) {
    seen->walked = true;
    for (const FullQueue& queue : walk.queues)
      if (seen->queues.size() < kMost || seen->queues.contains(queue.listener))
        seen->queues[queue.listener] = queue;
  }
}

std::optional<std::vector<FullQueue>> FullQueueLog::all(std::size_t rows, bool total) const {
  const Seen& seen = total ? ever_ : now_;
  if (!seen.walked) return std::nullopt;
  std::vector<FullQueue> all;
  for (const auto& [cookie, queue] : seen.queues) all.push_back(queue);
  std::sort(all.begin(), all.end(), [](const FullQueue& a, const FullQueue& b) {
    return std::tuple(~a.syns_dropped, a.listener) < std::tuple(~b.syns_dropped, b.listener);
  });
  if (all.size() > rows) all.resize(rows);
  return all;
}

}  // namespace tcpdwell
