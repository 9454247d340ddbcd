// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/full_listeners.h"

#include <utility>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// With tcp_syn_retries = 6 a SYN is given up after 127 s.
constexpr Nanos kLongestHandshake = 3min;

// `listened`: where the SYN goes to. A wildcard listener is met at any address of its host; that
// the client is on this host is certain if both its addresses are the same.
bool accepts(const Flow& listener, const Flow& flow, bool at_client) {
  const Endpoint& listened = at_client ? flow.remote : flow.local;
  if (listener.netns_cookie != flow.netns_cookie || listener.local.port != listened.port)
    return false;
  if (same(listener.local.addr, listened.addr)) return true;
  return is_zero(listener.local) && (!at_client || same(flow.local.addr, flow.remote.addr));
}

}  // namespace

void FullListeners::saw(const FullQueue& queue, Nanos at) {
  absl::erase_if(seen_, [&](const auto& one) { return at - one.second.at > kLongestHandshake; });
  seen_[queue.listener] = {.queue = queue, .at = at};
}

std::optional<FullQueue> FullListeners::during(const Flow& flow, bool at_client, Nanos begin,
                                               Nanos end) const {
  std::optional<FullQueue> fullest;
  for (const auto& [cookie, seen] : seen_) {
    if (seen.at < begin || seen.at > end || !accepts(seen.queue.flow, flow, at_client)) continue;
    const auto rank = [](const FullQueue& queue) {
      return std::pair(queue.length, queue.listener);
    };
    if (!fullest || rank(*fullest) < rank(seen.queue)) fullest = seen.queue;
  }
  return fullest;
}

}  // namespace tcpdwell
