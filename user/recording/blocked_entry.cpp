// SPDX-License-Identifier: Apache-2.0
#include "recording/blocked_entry.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "recording/format.h"
#include "recording/stack_entry.h"

namespace tcpdwell::recording {
namespace {

constexpr std::size_t kMostBlocked = 4096;  // threads before one event: bounds a damaged file

void put_thread(Packer& packer, std::uint32_t pid, const BlockedThread& thread) {
  packer.put(pid);
  packer.put(thread.tid);
  packer.put(thread.threads);
  packer.put(std::string_view(thread.comm).substr(0, 16));
  packer.put(std::string_view(thread.call).substr(0, 64));
  packer.put(thread.fd);
  packer.put(thread.socket.has_value());
  const Flow flow = thread.socket.value_or(Flow{});
  packer.put(flow.local);
  packer.put(flow.remote);
  packer.put(flow.family);
  packer.put(thread.missing);
  put_stack(packer, thread.stack);
}

BlockedThread get_thread(Unpacker& unpacker) {
  BlockedThread thread;
  bool has_socket = false;
  Flow flow;
  unpacker.get(thread.tid);
  unpacker.get(thread.threads);
  unpacker.get(thread.comm);
  unpacker.get(thread.call);
  unpacker.get(thread.fd);
  unpacker.get(has_socket);
  unpacker.get(flow.local);
  unpacker.get(flow.remote);
  unpacker.get(flow.family);
  unpacker.get(thread.missing, NoStack::None, NoStack::Running);
  thread.stack = get_stack(unpacker);
  if (has_socket) thread.socket = flow;
  return thread;
}

}  // namespace

void pack_blocked(const ProcessesEvent& event,
                  const std::function<void(std::span<const std::byte>)>& put) {
  std::vector<std::byte> bytes;
  for (const ProcessFacts& facts : event.processes) {
    if (facts.blocked == nullptr) continue;
    for (const BlockedThread& thread : *facts.blocked) {
      bytes.clear();
      Packer packer(bytes);
      put_thread(packer, facts.pid, thread);
      put(bytes);
    }
  }
}

void BlockedEntries::read(std::span<const std::byte> bytes) {
  Unpacker unpacker(bytes);
  std::uint32_t pid = 0;
  unpacker.get(pid);
  BlockedThread thread = get_thread(unpacker);
  std::size_t all = 0;
  for (const auto& [owner, threads] : by_pid_) all += threads.size();
  if (unpacker.ok() && all < kMostBlocked) by_pid_[pid].push_back(std::move(thread));
}

void BlockedEntries::move_to(ProcessesEvent& event) {
  for (ProcessFacts& facts : event.processes)
    if (const auto it = by_pid_.find(facts.pid); it != by_pid_.end())
      facts.blocked = std::make_shared<const BlockedThreads>(std::move(it->second));
  by_pid_.clear();
}

}  // namespace tcpdwell::recording
