// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/dead_descriptors.h"

#include <algorithm>

namespace tcpdwell {

bool DeadDescriptors::add(const Entry& entry, bool found) {
  if (!found && entries_.size() >= kMost) return false;
  const std::uint64_t cookie = entry.socket.cookie;
  erase(cookie);
  entries_.emplace(cookie, entry);
  deadlines_.emplace(entry.due, cookie);
  return true;
}

DeadDescriptors::Entry* DeadDescriptors::find(std::uint64_t cookie) {
  const auto it = entries_.find(cookie);
  return it == entries_.end() ? nullptr : &it->second;
}

void DeadDescriptors::erase(std::uint64_t cookie) {
  const auto it = entries_.find(cookie);
  if (it == entries_.end()) return;
  if (it->second.raised) --raised_;
  entries_.erase(it);
}

void DeadDescriptors::put_off(Entry& entry, Nanos due) {
  entry.due = due;
  deadlines_.emplace(due, entry.socket.cookie);
}

void DeadDescriptors::raise(Entry& entry, Cause cause) {
  entry.raised = true;
  entry.cause = cause;
  ++raised_;
}

void DeadDescriptors::want_look(Nanos at) { wanted_ = wanted_ ? std::min(*wanted_, at) : at; }

std::optional<Nanos> DeadDescriptors::due(Nanos again) {
  while (!deadlines_.empty()) {
    const auto& [at, cookie] = deadlines_.top();
    const Entry* entry = find(cookie);
    if (entry != nullptr && !entry->raised && entry->due == at) break;
    deadlines_.pop();
  }
  std::optional<Nanos> due = wanted_;
  const auto take = [&due](Nanos at) { due = due ? std::min(*due, at) : at; };
  if (!deadlines_.empty()) take(deadlines_.top().first);
  if (raised_ > 0) take(last_look_ + again);
  return due;
}

}  // namespace tcpdwell
