// SPDX-License-Identifier: Apache-2.0
#include "session/queue_watch.h"

#include <algorithm>
#include <utility>

#include "kernel/listen_counters.h"
#include "kernel/listener_list.h"
#include "kernel/polled.h"
#include "kernel/process_facts.h"
#include "kernel/programs.h"
#include "kernel/sock_diag.h"

namespace tcpdwell {
namespace {

// More are not needed: one connection of each holder decides which of them should accept.
constexpr std::size_t kMostProcesses = 4096;

void keep_each_once(std::vector<std::uint32_t>& pids) {
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  if (pids.size() > kMostProcesses) pids.resize(kMostProcesses);
}

// Facts of the holders, their parents, and so on.
std::vector<Parent> parents_of(const std::vector<std::uint32_t>& pids, ProcessReader& processes) {
  std::vector<Parent> parents;
  std::unordered_set<std::uint32_t> seen;
  for (std::uint32_t pid : pids)
    while (pid != 0 && seen.insert(pid).second && parents.size() < kMostProcesses) {
      const std::uint32_t parent = processes.parent_of(pid);
      if (parent != 0) parents.push_back({pid, parent});
      pid = parent;
    }
  return parents;
}

}  // namespace

void QueueWatch::begin_walk() {
  queues_.clear();
  event_ = {};
  event_.at = monotonic_now();
}

// Usually all queues are empty. The walk would then continue through the table of connections, for
// milliseconds if that has none of this namespace.
std::optional<Error> QueueWatch::walk(std::uint64_t netns_cookie) {
  if (const auto listeners = find_listeners(); listeners && listeners->with_queue == 0) {
    event_.namespaces.push_back(netns_cookie);
    if (listeners->count == 0) event_.without_listeners.push_back(netns_cookie);
    return std::nullopt;
  }
  const auto cutoff = threshold_ ? std::optional(event_.at - *threshold_) : std::nullopt;
  auto found = iterators_.accept_queues(cutoff);
  if (!found) return found.error();
  event_.namespaces.push_back(netns_cookie);
  if (found->listeners == 0) event_.without_listeners.push_back(netns_cookie);
  event_.young += found->young;
  if (found->next_queued)
    event_.next_queued = std::min(event_.next_queued.value_or(Nanos::max()), *found->next_queued);
  if (found->queues.empty()) return std::nullopt;
  const auto counters = read_listen_counters();
  const auto listeners = list_listeners();
  for (WalkedQueue& one : found->queues) {
    one.queue.counters = counters;
    one.queue.shares_port =
        !listeners ||
        std::count_if(listeners->begin(), listeners->end(), [&](const ListedListener& listed) {
          return listed.family == one.queue.flow.family && listed.local == one.queue.flow.local;
        }) > 1;
    queues_.push_back(std::move(one));
  }
  return std::nullopt;
}

// The cookie identifies the rest.
void QueueWatch::keep_news_only() {
  std::unordered_set<std::uint64_t> waiting;
  for (WalkedQueue& one : queues_) {
    std::vector<QueuedChild> fresh;
    for (QueuedChild& child : one.queue.fresh) {
      waiting.insert(child.cookie);
      if (reported_.contains(child.cookie))
        one.queue.known.push_back(child.cookie);
      else
        fresh.push_back(child);
    }
    one.queue.fresh = std::move(fresh);
  }
  reported_ = std::move(waiting);
}

ProcessesEvent QueueWatch::ask_for_holders() {
  std::vector<WalkedQueue> news;
  std::vector<std::size_t> index;
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    if (queues_[i].queue.fresh.empty()) continue;
    WalkedQueue& one = news.emplace_back();
    one.queue.cookie = queues_[i].queue.cookie;
    one.queue.flow = queues_[i].queue.flow;
    one.takes_ipv4 = queues_[i].takes_ipv4;
    index.push_back(i);
  }
  auto holders = iterators_.holders_of(news);
  if (!holders) return {};
  ProcessReader processes;
  for (const Holding& holding : holders->holdings)
    for (std::size_t k = 0; k < news.size(); ++k)
      if (news[k].queue.cookie == holding.cookie) news[k].queue.holders.push_back(holding.holder);
  for (const HeldEnd& held : holders->connections)
    if (held.pid != 0) news[held.number].queue.accepted.push_back(held.pid);
  for (std::size_t k = 0; k < news.size(); ++k) {
    ListenQueue& queue = queues_[index[k]].queue;
    std::vector<std::uint32_t> pids;
    for (const Holder& holder : news[k].queue.holders) {
      if (holder.process.pid == 0) continue;
      pids.push_back(holder.process.pid);
      processes.read(holder.process);
    }
    keep_each_once(pids);
    keep_each_once(news[k].queue.accepted);
    queue.parents = parents_of(pids, processes);
    if (pids.size() > 1) queue.polled_by = polled_by(news[k].queue.holders);
    queue.holders = std::move(news[k].queue.holders);
    queue.accepted = std::move(news[k].queue.accepted);
    queue.asked = true;
  }
  ProcessesEvent event = processes.event();
  if (blocked_ != nullptr) blocked_->add_to(event);
  return event;
}

QueueWatch::Found QueueWatch::end_walk() {
  keep_news_only();
  Found found{.processes = ask_for_holders(), .queues = {}};
  for (WalkedQueue& one : queues_) event_.queues.push_back(std::move(one.queue));
  queues_.clear();
  found.queues = std::exchange(event_, {});
  return found;
}

}  // namespace tcpdwell
