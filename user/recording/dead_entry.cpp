// SPDX-License-Identifier: Apache-2.0
#include "recording/dead_entry.h"

#include <utility>

#include "pipeline/decode.h"

namespace tcpdwell::recording {

void put_dead(Packer& packer, const DeadSocket& socket, const Holder& holder) {
  packer.put(socket.cookie);
  packer.put(socket.at);
  packer.put(socket.active);
  packer.put(socket.active_exact);
  packer.put(socket.connect_failed);
  packer.put(socket.mptcp);
  packer.put(socket.uncounted);
  packer.put(socket.flow.local);
  packer.put(socket.flow.remote);
  packer.put(socket.flow.netns_cookie);
  packer.put(socket.flow.netns);
  packer.put(socket.flow.family);
  packer.put(socket.sock_cgroup_id);
  packer.put(socket.received_ago);
  packer.put(socket.sent_ago);
  packer.put(socket.unread);
  packer.put(socket.err);
  packer.put(holder.process);
  packer.put(holder.fd);
  packer.put(socket.flow.device);
}

namespace {

// A bound: no host has more descriptors of sockets.
constexpr std::size_t kMost = 8'000'000;

DeadSocket get_dead(Unpacker& unpacker) {
  DeadSocket socket;
  Holder& holder = socket.holders.emplace_back();
  unpacker.get(socket.cookie);
  unpacker.get(socket.at);
  unpacker.get(socket.active);
  unpacker.get(socket.active_exact);
  unpacker.get(socket.connect_failed);
  unpacker.get(socket.mptcp);
  unpacker.get(socket.uncounted);
  unpacker.get(socket.flow.local);
  unpacker.get(socket.flow.remote);
  unpacker.get(socket.flow.netns_cookie);
  unpacker.get(socket.flow.netns);
  unpacker.get(socket.flow.family);
  unpacker.get(socket.sock_cgroup_id);
  unpacker.get(socket.received_ago);
  unpacker.get(socket.sent_ago);
  unpacker.get(socket.unread);
  unpacker.get(socket.err);
  unpacker.get(holder.process);
  unpacker.get(holder.fd);
  if (unpacker.has_more()) unpacker.get(socket.flow.device);  // not in older versions
  return socket;
}

}  // namespace

void DeadReader::add(std::span<const std::byte> bytes) {
  Unpacker unpacker(bytes);
  DeadSocket socket = get_dead(unpacker);
  const bool sane = socket.active.count() >= 0 && socket.active <= socket.at;
  if (unpacker.ok() && sane && sockets_.size() < kMost) sockets_.push_back(std::move(socket));
}

std::optional<DeadEvent> DeadReader::take(std::span<const std::byte> bytes) {
  Unpacker unpacker(bytes);
  DeadEvent walk;
  std::uint64_t descriptors = 0;
  unpacker.get(walk.at);
  unpacker.get(descriptors);
  walk.sockets = std::exchange(sockets_, {});
  // Refuse an incomplete event: missing descriptors would look closed.
  if (!unpacker.ok() || walk.at.count() < 0 || walk.sockets.size() != descriptors)
    return std::nullopt;
  join_holders(walk.sockets);
  return walk;
}

}  // namespace tcpdwell::recording
