// SPDX-License-Identifier: Apache-2.0
// Accept queues, as a walk finds them.
#pragma once

#include <utility>
#include <vector>

#include "support/flag_story.h"

namespace tcpdwell::life_story {

inline constexpr std::uint64_t kListener = 900;

inline LifecycleConfig flagging_accept(Nanos threshold) {
  LifecycleConfig config = flagging(CloseWait, 60s);
  config.thresholds.accept = threshold;
  return config;
}

inline QueuedChild waits_since(const Story& story, const Conn& conn, Nanos queued,
                               State state = Established) {
  return {.cookie = conn.cookie(),
          .flow = conn.flow(),
          .state = state,
          .queued_at = story.clock(queued)};
}

// A listener with these in its queue.
inline ListenQueue queue_of(std::vector<QueuedChild> fresh, std::vector<std::uint64_t> known = {}) {
  ListenQueue queue;
  queue.cookie = kListener;
  queue.flow = flow_between(kServerPort, 0);
  queue.flow.local.addr = {};
  queue.length = static_cast<std::uint32_t>(fresh.size() + known.size());
  queue.backlog = 2;
  queue.fresh = std::move(fresh);
  queue.known = std::move(known);
  queue.asked = true;
  queue.holders = {held_by(43, 5), held_by(42, 4)};
  queue.parents = {{43, 42}};
  return queue;
}

inline void walk_begins(Story& story) { story.lifecycle().queue_walk_begins(); }
inline void walk_ends(Story& story, Nanos at, std::vector<ListenQueue> queues) {
  AcceptQueuesEvent event;
  event.at = story.clock(at);
  event.namespaces = {1};
  event.queues = std::move(queues);
  story.on(event);
}
inline void walk_finds(Story& story, Nanos at, std::vector<ListenQueue> queues) {
  walk_begins(story);
  walk_ends(story, at, std::move(queues));
}

// "ACCEPT raised 12000ms, ..."
inline std::string accept_flags(const Story& story) {
  std::string all;
  for (const FlagRecord& flag : flag_records(story))
    all += (all.empty() ? "" : ", ") + std::string(flag_name(flag.kind, flag.state)) +
           (flag.raised ? " raised " : " cleared ") + text(flag.dwell.value);
  return all;
}

}  // namespace tcpdwell::life_story
