// SPDX-License-Identifier: Apache-2.0
#include "recording/queue_entries.h"

#include <algorithm>
#include <utility>

#include "recording/pack.h"

namespace tcpdwell::recording {
namespace {

// Bounds the memory for a file that contains only such entries.
constexpr std::size_t kMostPieces = 2'000'000;
constexpr std::size_t kCookiesAtOnce = 4096;

using Bytes = std::span<const std::byte>;

// Without the device, which is at the end of an entry because older versions did not write it.
void put_flow(Packer& packer, const Flow& flow) {
  packer.put(flow.local);
  packer.put(flow.remote);
  packer.put(flow.netns_cookie);
  packer.put(flow.netns);
  packer.put(flow.family);
}

void get_flow(Unpacker& unpacker, Flow& flow) {
  unpacker.get(flow.local);
  unpacker.get(flow.remote);
  unpacker.get(flow.netns_cookie);
  unpacker.get(flow.netns);
  unpacker.get(flow.family);
}

class Pieces {
 public:
  explicit Pieces(const std::function<void(Entry, Bytes)>& put) : put_(put) {}

  void add(std::uint64_t netns_cookie, bool has_listeners) {
    packer_.put(netns_cookie);
    packer_.put(has_listeners);
    end(Entry::QueueNamespace);
  }
  void add(const Holder& holder) {
    packer_.put(holder.process);
    packer_.put(holder.fd);
    packer_.put(holder.state);
    end(Entry::QueueHolder);
  }
  void add(const QueuedChild& child) {
    packer_.put(child.cookie);
    put_flow(packer_, child.flow);
    packer_.put(child.state);
    packer_.put(child.queued_at);
    packer_.put(child.sock_cgroup_id);
    packer_.put(child.receive_queue);
    packer_.put(child.send_queue);
    packer_.put(child.flow.device);
    end(Entry::Queued);
  }
  void add(std::span<const std::uint64_t> cookies) {
    for (std::size_t at = 0; at < cookies.size(); at += kCookiesAtOnce) {
      for (const std::uint64_t cookie :
           cookies.subspan(at, std::min(kCookiesAtOnce, cookies.size() - at)))
        packer_.put(cookie);
      end(Entry::StillQueued);
    }
  }
  void add(const ListenQueue& queue) {
    for (const Holder& holder : queue.holders) add(holder);
    for (const QueuedChild& child : queue.fresh) add(child);
    add(std::span<const std::uint64_t>(queue.known));
    packer_.put(queue.cookie);
    put_flow(packer_, queue.flow);
    packer_.put(queue.length);
    packer_.put(queue.backlog);
    packer_.put(queue.syns_dropped);
    packer_.put(queue.whole);
    packer_.put(queue.asked);
    packer_.put(queue.accepted);
    packer_.put(static_cast<std::uint16_t>(queue.parents.size()));
    for (const Parent& one : queue.parents) {
      packer_.put(one.pid);
      packer_.put(one.parent);
    }
    packer_.put(queue.counters.has_value());
    if (queue.counters) {
      packer_.put(queue.counters->overflows);
      packer_.put(queue.counters->cookies_sent);
    }
    packer_.put(static_cast<std::uint64_t>(queue.holders.size()));
    packer_.put(static_cast<std::uint64_t>(queue.fresh.size()));
    packer_.put(static_cast<std::uint64_t>(queue.known.size()));
    packer_.put(queue.flow.device);
    packer_.put(queue.polled_by);
    packer_.put(queue.shares_port);
    end(Entry::AcceptQueue);
  }
  void finish(const AcceptQueuesEvent& event) {
    packer_.put(event.at);
    packer_.put(static_cast<std::uint64_t>(event.namespaces.size()));
    packer_.put(static_cast<std::uint64_t>(event.queues.size()));
    packer_.put(event.young);
    packer_.put(event.next_queued);
    end(Entry::AcceptQueues);
  }

 private:
  void end(Entry entry) {
    put_(entry, bytes_);
    bytes_.clear();
  }

  const std::function<void(Entry, Bytes)>& put_;
  std::vector<std::byte> bytes_;
  Packer packer_{bytes_};
};

}  // namespace

void pack_queues(const AcceptQueuesEvent& event, const std::function<void(Entry, Bytes)>& put) {
  Pieces pieces(put);
  for (const std::uint64_t cookie : event.namespaces) {
    const auto& without = event.without_listeners;
    pieces.add(cookie, std::find(without.begin(), without.end(), cookie) == without.end());
  }
  for (const ListenQueue& queue : event.queues) pieces.add(queue);
  pieces.finish(event);
}

void QueueReader::read_namespace(Bytes bytes) {
  Unpacker unpacker(bytes);
  std::uint64_t cookie = 0;
  bool has_listeners = false;
  unpacker.get(cookie);
  unpacker.get(has_listeners);
  if (!unpacker.ok()) return;
  event_.namespaces.push_back(cookie);
  if (!has_listeners) event_.without_listeners.push_back(cookie);
}

void QueueReader::read_holder(Bytes bytes) {
  Unpacker unpacker(bytes);
  Holder holder;
  unpacker.get(holder.process);
  unpacker.get(holder.fd);
  unpacker.get(holder.state);
  if (unpacker.ok()) queue_.holders.push_back(holder);
}

void QueueReader::read_queued(Bytes bytes) {
  Unpacker unpacker(bytes);
  QueuedChild child;
  unpacker.get(child.cookie);
  get_flow(unpacker, child.flow);
  unpacker.get(child.state, State::Established, State::Closing);
  unpacker.get(child.queued_at);
  unpacker.get(child.sock_cgroup_id);
  unpacker.get(child.receive_queue);
  unpacker.get(child.send_queue);
  if (unpacker.has_more()) unpacker.get(child.flow.device);
  if (unpacker.ok() && child.queued_at.count() >= 0) queue_.fresh.push_back(child);
}

void QueueReader::read_still_queued(Bytes bytes) {
  Unpacker unpacker(bytes);
  while (unpacker.has_more()) {
    std::uint64_t cookie = 0;
    unpacker.get(cookie);
    if (unpacker.ok()) queue_.known.push_back(cookie);
  }
}

void QueueReader::read_queue(Bytes bytes) {
  Unpacker unpacker(bytes);
  std::uint64_t holders = 0, fresh = 0, known = 0;
  unpacker.get(queue_.cookie);
  get_flow(unpacker, queue_.flow);
  unpacker.get(queue_.length);
  unpacker.get(queue_.backlog);
  unpacker.get(queue_.syns_dropped);
  unpacker.get(queue_.whole);
  unpacker.get(queue_.asked);
  unpacker.get(queue_.accepted);
  std::uint16_t parents = 0;
  unpacker.get(parents);
  for (; parents > 0 && unpacker.ok(); --parents) {
    auto& [pid, parent] = queue_.parents.emplace_back();
    unpacker.get(pid);
    unpacker.get(parent);
  }
  bool counted = false;
  unpacker.get(counted);
  if (counted) {
    auto& [overflows, cookies_sent] = queue_.counters.emplace();
    unpacker.get(overflows);
    unpacker.get(cookies_sent);
  }
  unpacker.get(holders);
  unpacker.get(fresh);
  unpacker.get(known);
  if (unpacker.has_more()) unpacker.get(queue_.flow.device);
  if (unpacker.has_more()) {
    unpacker.get(queue_.polled_by);
    unpacker.get(queue_.shares_port);
  }
  ListenQueue queue = std::exchange(queue_, {});
  const bool complete =
      queue.holders.size() == holders && queue.fresh.size() == fresh && queue.known.size() == known;
  if (unpacker.ok() && complete) event_.queues.push_back(std::move(queue));
}

std::optional<AcceptQueuesEvent> QueueReader::read_all(Bytes bytes) {
  Unpacker unpacker(bytes);
  std::uint64_t namespaces = 0, queues = 0;
  AcceptQueuesEvent event = std::move(event_);
  lost();
  unpacker.get(event.at);
  unpacker.get(namespaces);
  unpacker.get(queues);
  unpacker.get(event.young);
  unpacker.get(event.next_queued);
  // Refuse an incomplete event: connections in a missing queue would look accepted.
  if (!unpacker.ok() || event.at.count() < 0 || event.namespaces.size() != namespaces ||
      event.queues.size() != queues)
    return std::nullopt;
  return event;
}

std::optional<AcceptQueuesEvent> QueueReader::read(Entry entry, Bytes bytes) {
  if (++pieces_ > kMostPieces) lost();
  switch (entry) {
    case Entry::QueueNamespace: read_namespace(bytes); break;
    case Entry::QueueHolder: read_holder(bytes); break;
    case Entry::Queued: read_queued(bytes); break;
    case Entry::StillQueued: read_still_queued(bytes); break;
    case Entry::AcceptQueue: read_queue(bytes); break;
    case Entry::AcceptQueues: return read_all(bytes);
    default: break;
  }
  return std::nullopt;
}

}  // namespace tcpdwell::recording
