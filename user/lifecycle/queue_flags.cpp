// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/queue_flags.h"

#include <algorithm>
#include <utility>

#include "lifecycle/acceptors.h"
#include "lifecycle/cause.h"
#include "model/holders.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kStampError = 1us;             // the kernel's stamp is in microseconds
constexpr std::uint32_t kMostLooked = 65'536;  // limits accepted_at() to a few milliseconds
constexpr std::size_t kMostLeft = 1'000'000;

std::optional<Nanos> error_of(bool dated) {
  return dated ? std::optional(kStampError) : std::nullopt;
}

StuckFacts facts_of(const QueuedChild& child) {
  return {.state = child.state,
          .attached = false,
          .receive_queue = child.receive_queue,
          .send_queue = child.send_queue};
}

}  // namespace

std::vector<std::uint64_t> QueueFlags::take_namespaces() {
  std::vector<std::uint64_t> all;
  for (auto& [cookie, heard] : namespaces_) {
    all.push_back(cookie);
    heard = false;
  }
  std::sort(all.begin(), all.end());
  return all;
}

// The processes that accepted open connections of this port. A process that accepted before is the
// one to accept now. Holding a connection is no such evidence: in a server that forks for each
// connection, children hold the listener and its connections, but the parent accepts.
std::vector<std::uint32_t> QueueFlags::accepted_at(const Flow& listener) const {
  std::vector<std::uint32_t> pids;
  const ConnectionTable::Id ids = std::min(table_.ids(), kMostLooked);
  for (ConnectionTable::Id id = 0; id < ids; ++id) {
    const Connection& one = table_[id];
    if (!one.used || one.local_port != listener.local.port || one.owner_via != Via::Accept)
      continue;
    const Site& site = table_.site(one);
    const bool fits = is_zero(listener.local) || same(site.local, listener.local.addr);
    const Process* owner = table_.owner(one);
    if (fits && owner != nullptr && site.netns_cookie == listener.netns_cookie)
      pids.push_back(owner->pid);
  }
  return pids;
}

// Each worker of nginx has all listeners of its port, and waits for one. Those that wait for
// another one accept connections of this port, too, but never from this queue.
std::vector<std::uint32_t> QueueFlags::acceptors_of(const ListenQueue& queue) const {
  std::vector<std::uint32_t> pids = queue.polled_by;
  for (const Holder& holder : queue.holders)
    if (queue.polled_by.empty() && holder.process.pid != 0) pids.push_back(holder.process.pid);
  if (queue.shares_port) return choose_acceptors(pids, {}, queue.parents);
  const auto seen = accepted_at(queue.flow);
  const bool fits = std::any_of(pids.begin(), pids.end(), [&](std::uint32_t pid) {
    return std::find(seen.begin(), seen.end(), pid) != seen.end();
  });
  return choose_acceptors(pids, fits ? seen : queue.accepted, queue.parents);
}

std::shared_ptr<QueueFlags::Listener> QueueFlags::learn(
    const ListenQueue& queue, const std::vector<ProcessFacts>& processes) {
  auto& listener = listeners_[queue.cookie];
  if (!listener) listener = std::make_shared<Listener>();
  AcceptQueue& known = listener->queue;
  known.listener = queue.cookie;
  known.port = queue.flow.local.port;
  known.length = queue.length;
  known.backlog = queue.backlog;
  known.syns_dropped = queue.syns_dropped;
  if (!queue.asked) return listener;
  known.counters = queue.counters;
  known.should_accept = acceptors_of(queue);
  known.shares_port = queue.shares_port;
  known.hidden_holder.reset();
  listener->holders.clear();
  listener->processes = processes;
  for (const Holder& holder : queue.holders)
    if (holder.process.pid != 0)
      listener->holders.push_back(holder);
    else
      known.hidden_holder = holder.process;
  std::sort(listener->holders.begin(), listener->holders.end(), by_pid_and_fd);
  return listener;
}

void QueueFlags::note_full(const ListenQueue& queue, Nanos at) {
  if (queue.length <= queue.backlog) return;
  const FullQueue full{.listener = queue.cookie,
                       .flow = queue.flow,
                       .length = queue.length,
                       .backlog = queue.backlog,
                       .syns_dropped = queue.syns_dropped};
  publisher_.saw_full(full, at);
  const ConnectionTable::Id id = table_.by_cookie(queue.cookie);
  const SocketInfo unknown{.cookie = queue.cookie, .flow = queue.flow, .role = Role::Listener};
  const bool shown = id != ConnectionTable::kNone ? publisher_.passes(table_[id])
                                                  : publisher_.judge(unknown, 0) == Verdict::Show;
  if (!shown) return;
  full_.queues.push_back(full);
}

std::optional<WatchedState> QueueFlags::watched(Nanos now) const {
  if (!threshold_) return std::nullopt;
  WatchedState state{.kind = FlagKind::Accept,
                     .state = State::Established,
                     .threshold = *threshold_,
                     .sockets = waiting_.size() + young_};
  if (next_queued_) state.oldest = now - *next_queued_;
  for (const auto& [cookie, waiting] : waiting_) {
    state.oldest = std::max(state.oldest, now - waiting.child.queued_at);
    if (!waiting.dated && !waiting.raised) ++state.unknown_age;
  }
  return state;
}

void QueueFlags::leaves(std::uint64_t cookie) {
  // Bounded, since a recording can lack the end of a walk.
  if (left_meanwhile_.size() >= kMostLeft) left_meanwhile_.clear();
  left_meanwhile_.insert(cookie);
}

void QueueFlags::walked(const AcceptQueuesEvent& event,
                        const std::vector<ProcessFacts>& processes) {
  for (const std::uint64_t cookie : event.without_listeners)
    if (const auto it = namespaces_.find(cookie); it != namespaces_.end() && !it->second)
      namespaces_.erase(it);
  young_ = event.young;
  next_queued_ = event.next_queued;
  full_ = {.at = event.at, .queues = {}};
  absl::flat_hash_set<std::uint64_t> partly;  // listeners whose queue was listed incompletely
  for (const ListenQueue& queue : event.queues) {
    if (left_meanwhile_.contains(queue.cookie)) continue;
    note_full(queue, event.at);
    const auto listener = learn(queue, processes);
    if (!queue.whole) partly.insert(queue.cookie);
    for (const QueuedChild& child : queue.fresh)
      if (!left_meanwhile_.contains(child.cookie)) found(child, listener, event.at);
    for (const std::uint64_t cookie : queue.known)
      if (const auto it = waiting_.find(cookie); it != waiting_.end())
        found_again(it->second, listener, event.at);
  }
  const absl::flat_hash_set<std::uint64_t> namespaces(event.namespaces.begin(),
                                                      event.namespaces.end());
  clear_all(
      [&](const Waiting& waiting) {
        return waiting.walked != event.at && !partly.contains(waiting.listener->queue.listener) &&
               namespaces.contains(waiting.child.flow.netns_cookie);
      },
      event.at);
  absl::erase_if(listeners_, [](const auto& entry) { return entry.second.use_count() == 1; });
  if (walks_ > 0 && --walks_ == 0) left_meanwhile_.clear();
}

// In the order of queueing, which is the same in a replay.
template <typename Is>
void QueueFlags::clear_all(Is&& is, Nanos at) {
  std::vector<std::pair<Nanos, std::uint64_t>> all;
  for (const auto& [cookie, waiting] : waiting_)
    if (is(waiting)) all.emplace_back(waiting.child.queued_at, cookie);
  std::sort(all.begin(), all.end());
  for (const auto& [queued_at, cookie] : all) {
    const auto it = waiting_.find(cookie);
    clear(it->second, at, std::nullopt);
    waiting_.erase(it);
  }
}

void QueueFlags::found(const QueuedChild& child, const std::shared_ptr<Listener>& listener,
                       Nanos at) {
  Waiting& waiting = waiting_[child.cookie];
  const Nanos before = waiting.child.queued_at;
  waiting.child = child;
  waiting.dated = child.queued_at.count() != 0;
  if (!waiting.dated) waiting.child.queued_at = before.count() != 0 ? before : at;
  found_again(waiting, listener, at);
}

void QueueFlags::found_again(Waiting& waiting, const std::shared_ptr<Listener>& listener,
                             Nanos at) {
  waiting.listener = listener;
  waiting.walked = at;
  if (!waiting.raised && threshold_ && at - waiting.child.queued_at >= *threshold_)
    raise(waiting, at);
}

void QueueFlags::raise(Waiting& waiting, Nanos at) {
  const QueuedChild& child = waiting.child;
  const ConnectionTable::Id id = table_.by_cookie(child.cookie);
  waiting.in_table = id != ConnectionTable::kNone;
  if (waiting.in_table) waiting.life = table_.life(table_[id]);
  FlagRecord record;
  record.kind = FlagKind::Accept;
  record.state = child.state;
  record.threshold = *threshold_;
  record.dwell = {at - child.queued_at, error_of(waiting.dated)};
  record.cause = Cause::NotAccepted;
  record.socket = {
      .cookie = child.cookie, .life = waiting.life, .flow = child.flow, .role = Role::Server};
  if (child.state != State::Closed) {
    record.unread_bytes = unread_bytes(facts_of(child));
    record.unsent_bytes = unsent_bytes(facts_of(child));
  }
  record.holders = waiting.listener->holders;
  record.queue = waiting.listener->queue;
  add_facts(waiting.listener->processes, record);
  waiting.raised =
      publisher_.queued(child, waiting.in_table && table_[id].followed, at, std::move(record));
  if (!waiting.raised) return;
  ++raised_;
  ++open_;
}

State QueueFlags::state_of(const Waiting& waiting) const {
  const ConnectionTable::Id id = table_.by_cookie(waiting.child.cookie);
  if (id != ConnectionTable::kNone)
    return table_[id].pending_end == PendingEnd::Closed ? State::Closed : table_[id].state;
  return waiting.in_table ? State::Closed : waiting.child.state;
}

void QueueFlags::clear(Waiting& waiting, Nanos at, const std::optional<Owner>& owner) {
  if (!waiting.raised) return;
  const QueuedChild& child = waiting.child;
  FlagRecord record;
  record.raised = false;
  record.kind = FlagKind::Accept;
  record.state = state_of(waiting);
  record.threshold = *threshold_;
  record.dwell = {std::max(at - child.queued_at, Nanos{0}), error_of(waiting.dated)};
  record.cause = Cause::NotAccepted;
  record.socket = {.cookie = child.cookie,
                   .life = waiting.life,
                   .flow = child.flow,
                   .role = Role::Server,
                   .owner = owner};
  publisher_.left_queue(child, at, std::move(record));
  --open_;
}

void QueueFlags::clear_accepted(const AcceptEvent& event) {
  const auto it = waiting_.find(event.cookie);
  if (it == waiting_.end()) return;
  clear(it->second, event.at, Owner{event.task, Via::Accept});
  waiting_.erase(it);
}

void QueueFlags::listener_closed(std::uint64_t cookie, Nanos at) {
  if (walks_ != 0) leaves(cookie);
  if (!listeners_.contains(cookie)) return;
  clear_all([&](const Waiting& waiting) { return waiting.listener->queue.listener == cookie; }, at);
  listeners_.erase(cookie);
}

}  // namespace tcpdwell
