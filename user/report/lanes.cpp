// SPDX-License-Identifier: Apache-2.0
#include "report/lanes.h"

#include <functional>
#include <queue>
#include <utility>

namespace tcpdwell::reporting {

std::vector<std::vector<const Life*>> pack_lanes(const std::vector<const Life*>& lives) {
  using Lane = std::pair<Nanos, std::size_t>;  // when its last life ended, its number
  std::priority_queue<Lane, std::vector<Lane>, std::greater<>> free;
  std::vector<std::vector<const Life*>> lanes;
  for (const Life* life : lives) {
    std::size_t lane = lanes.size();
    if (!free.empty() && free.top().first < life->begin()) {
      lane = free.top().second;
      free.pop();
    } else {
      lanes.emplace_back();
    }
    lanes[lane].push_back(life);
    free.emplace(life->end(), lane);
  }
  return lanes;
}

}  // namespace tcpdwell::reporting
