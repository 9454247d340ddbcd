// SPDX-License-Identifier: Apache-2.0
#include "core/table.h"

namespace tcpdwell {

ConnectionTable::Id ConnectionTable::create() {
  if (size_ >= max_ && oldest_ != kNone) {
    ++evicted_;
    erase(oldest_);
  }
  Id id;
  if (free_.empty()) {
    id = static_cast<Id>(slots_.size());
    slots_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
    slots_[id].connection = Connection{};
  }
  slots_[id].used = true;
  ++size_;
  link_newest(id);
  return id;
}

void ConnectionTable::erase(Id id) {
  forget_cookie(id);
  forget_object(id);
  forget_flow(id);
  unlink(id);
  slots_[id].used = false;
  ++slots_[id].generation;
  slots_[id].connection.held = {};
  free_.push_back(id);
  --size_;
}

void ConnectionTable::touch(Id id) {
  if (newest_ == id) return;
  unlink(id);
  link_newest(id);
}

void ConnectionTable::link_newest(Id id) {
  slots_[id].older = newest_;
  slots_[id].newer = kNone;
  (newest_ == kNone ? oldest_ : slots_[newest_].newer) = id;
  newest_ = id;
}

void ConnectionTable::unlink(Id id) {
  const Slot& slot = slots_[id];
  (slot.older == kNone ? oldest_ : slots_[slot.older].newer) = slot.newer;
  (slot.newer == kNone ? newest_ : slots_[slot.newer].older) = slot.older;
}

ConnectionTable::Id ConnectionTable::find(const Index& index, std::uint64_t key) {
  const auto it = index.find(key);
  return it == index.end() ? kNone : it->second;
}

ConnectionTable::Id ConnectionTable::by_flow(const Flow& flow) const {
  const auto it = by_flow_.find(flow);
  return it == by_flow_.end() ? kNone : it->second;
}

void ConnectionTable::index_cookie(Id id, std::uint64_t cookie) {
  slots_[id].connection.cookie = cookie;
  by_cookie_[cookie] = id;
}

void ConnectionTable::index_object(Id id, std::uint64_t object) {
  slots_[id].connection.object = object;
  by_object_[object] = id;
}

void ConnectionTable::index_flow(Id id) { by_flow_[slots_[id].connection.flow] = id; }

// An index entry may belong to a later connection with the same key by now: that one keeps it.
void ConnectionTable::forget_cookie(Id id) {
  const auto it = by_cookie_.find(slots_[id].connection.cookie);
  if (it != by_cookie_.end() && it->second == id) by_cookie_.erase(it);
}

void ConnectionTable::forget_object(Id id) {
  const auto it = by_object_.find(slots_[id].connection.object);
  if (it != by_object_.end() && it->second == id) by_object_.erase(it);
}

void ConnectionTable::forget_flow(Id id) {
  const auto it = by_flow_.find(slots_[id].connection.flow);
  if (it != by_flow_.end() && it->second == id) by_flow_.erase(it);
}

}  // namespace tcpdwell
