// SPDX-License-Identifier: Apache-2.0
// The periodic walks: descriptors whose connection is over, and accept queues.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "session/cpu_share.h"
#include "session/kernel_queries.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kLeastQueuePause = 100ms, kMostQueuePause = 5s;
constexpr Nanos kFullQueuePause = 1s;
constexpr Nanos kQueuePause = 500ms;  // at least, if nothing is due

}  // namespace

bool KernelQueries::is_dead_walk_due(Nanos now) const {
  if (walking_dead_) return true;
  const auto due = lifecycle_.dead_walk_due();
  return due && *due <= now;
}

// Not during a snapshot, which includes them.
void KernelQueries::walk_for_dead(Nanos now) {
  if (walking_dead_ || walking_ || now < next_dead_walk_ || !is_dead_walk_due(now)) return;
  walking_dead_ = true;
  worker_.ask([this] { return find_dead(); });
}

Result<KernelQueries::DeadWalk> KernelQueries::dead_descriptors() {
  DeadWalk walk{.dead = {.at = monotonic_now(), .sockets = {}}, .processes = {}};
  auto sockets = iterators_.dead_descriptors();
  if (!sockets) return sockets.error();
  walk.dead.sockets = std::move(*sockets);
  ProcessReader processes;
  for (const DeadSocket& socket : walk.dead.sockets)
    for (const Holder& holder : socket.holders) processes.read(holder.process);
  walk.processes = facts_from(processes);
  if (!walk.dead.sockets.empty()) wait_for_stacks();
  return walk;
}

void KernelQueries::tell(const DeadWalk& walk) {
  if (!walk.processes.processes.empty()) pipeline_.user_event(walk.processes);
  pipeline_.user_event(walk.dead);
}

Worker::Answer KernelQueries::find_dead() {
  const Nanos before = thread_cpu_time();
  auto walk = dead_descriptors();
  const Nanos cost = thread_cpu_time() - before;
  return [this, cost, walk = std::move(walk)]() mutable {
    walking_dead_ = false;
    const Nanos apart = walk ? lifecycle_.dead_walks_apart() : kMostWait;
    next_dead_walk_ = monotonic_now() + std::max(kShares * cost, apart);
    if (walk) return tell(*walk);
    if (!std::exchange(refused_, true))
      spdlog::warn("{}: open descriptors of ended connections are not flagged",
                   walk.error().text());
  };
}

// A few times within the threshold, and at once when an entry is due, within the CPU share. Without
// a threshold only full queues are looked for.
Nanos KernelQueries::next_queue_walk(const AcceptQueuesEvent& event, Nanos cost) const {
  const Nanos threshold = lifecycle_.thresholds().accept.value_or(4 * kFullQueuePause);
  Nanos next = event.at + std::clamp(threshold / 4, kQueuePause, kMostQueuePause);
  if (event.next_queued) next = std::min(next, *event.next_queued + threshold + 1ms);
  return std::max({next, monotonic_now() + kLeastQueuePause, event.at + kShares * cost});
}

void KernelQueries::ask_for_queues(Nanos now) {
  const bool known = !keeps_snapshots_ || snapshot_taken_;
  if (!queue_watch_ || !tracing_ || !known || walking_ || walking_queues_ || now < next_queue_walk_)
    return;
  const auto namespaces = lifecycle_.take_listening_namespaces();
  if (namespaces.empty()) {
    next_queue_walk_ = now + kQueuePause;
    return;
  }
  walking_queues_ = true;
  pipeline_.user_event(QueueWalkBegan{});
  worker_.ask([this, namespaces] { return walk_queues(namespaces); });
}

Worker::Answer KernelQueries::walk_queues(const std::vector<std::uint64_t>& netns_cookies) {
  const Nanos before = thread_cpu_time();
  std::vector<std::uint64_t> closed;
  std::optional<Error> refused;
  queue_watch_->begin_walk();
  for (const std::uint64_t cookie : netns_cookies) {
    const bool entered = namespaces_.enter(cookie, [&] {
      if (auto failed = queue_watch_->walk(cookie)) refused = std::move(failed);
    });
    if (!entered) closed.push_back(cookie);
  }
  for (const auto& [cookie, fate] : namespaces_.fates(closed))
    if (fate == Namespaces::Fate::Gone) queue_watch_->gone(cookie);
  QueueWatch::Found found = queue_watch_->end_walk();
  const Nanos cost = thread_cpu_time() - before;
  return [this, refused, cost, found = std::move(found)] {
    walking_queues_ = false;
    if (refused && !std::exchange(queues_refused_, true))
      spdlog::warn("{}: connections in accept queues are not flagged", refused->text());
    tell(found, cost);
  };
}

void KernelQueries::tell(const QueueWatch::Found& found, Nanos cost) {
  next_queue_walk_ = next_queue_walk(found.queues, cost);
  if (!found.processes.processes.empty()) pipeline_.user_event(found.processes);
  pipeline_.user_event(found.queues);
}

}  // namespace tcpdwell
