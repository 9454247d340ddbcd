// SPDX-License-Identifier: Apache-2.0
// Where connections live: a slab with stable ids, and the three ways an event finds its own.
// Bounded: beyond `max` the one that was quiet the longest leaves.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "core/connection.h"

namespace tcpdwell {

class ConnectionTable {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = UINT32_MAX;

  explicit ConnectionTable(std::size_t max) : max_(max) {}

  // The new one is in no index. Evicts if the table is full.
  Id create();
  void erase(Id id);  // from every index too
  Connection& operator[](Id id) { return slots_[id].connection; }
  // Marks it as the one used last.
  void touch(Id id);

  Id by_cookie(std::uint64_t cookie) const { return find(by_cookie_, cookie); }
  Id by_object(std::uint64_t object) const { return find(by_object_, object); }
  Id by_flow(const Flow& flow) const;
  void index_cookie(Id id, std::uint64_t cookie);
  void index_object(Id id, std::uint64_t object);
  void index_flow(Id id);
  void forget_cookie(Id id);
  void forget_object(Id id);
  void forget_flow(Id id);

  std::size_t size() const { return size_; }
  std::uint64_t evicted() const { return evicted_; }
  // An id is reused; the pair (id, generation) is not.
  std::uint32_t generation(Id id) const { return slots_[id].generation; }
  bool alive(Id id, std::uint32_t generation) const {
    return slots_[id].used && slots_[id].generation == generation;
  }
  template <typename Fn>
  void for_each(Fn&& fn) {
    for (Id id = oldest_; id != kNone;) {
      const Id next = slots_[id].newer;
      fn(id);
      id = next;
    }
  }

 private:
  struct Slot {
    Connection connection;
    std::uint32_t generation = 0;
    Id older = kNone, newer = kNone;  // by last use
    bool used = false;
  };
  using Index = absl::flat_hash_map<std::uint64_t, Id>;

  static Id find(const Index& index, std::uint64_t key);
  void link_newest(Id id);
  void unlink(Id id);

  std::size_t max_;
  std::size_t size_ = 0;
  std::uint64_t evicted_ = 0;
  std::deque<Slot> slots_;
  std::vector<Id> free_;
  Id oldest_ = kNone, newest_ = kNone;
  Index by_cookie_;  // full sockets, and minisocks until their full socket is gone
  Index by_object_;  // requests, newborns, minisocks
  absl::flat_hash_map<Flow, Id> by_flow_;  // requests, and minisocks of unknown origin
};

}  // namespace tcpdwell
