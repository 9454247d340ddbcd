// SPDX-License-Identifier: Apache-2.0
// Keeps one copy of each distinct value, identified by a number. References are counted: a value
// without a reference is removed, so that memory does not grow with the processes and namespaces
// that come and go. 0 is no value.
#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>

#include <cstdint>
#include <vector>

namespace tcpdwell {

// T is small, copied freely, and has operator== and AbslHashValue.
template <typename T>
class Interner {
 public:
  using Id = std::uint32_t;

  Interner() : ids_(0, Hash{&entries_}, Equal{&entries_}) { entries_.resize(1); }
  Interner(const Interner&) = delete;
  Interner& operator=(const Interner&) = delete;

  // Returns a reference to the value. The caller must release() it.
  Id refer(const T& value) {
    if (entries_[last_].users != 0 && entries_[last_].value == value) {
      ++entries_[last_].users;
      return last_;
    }
    if (const auto it = ids_.find(value); it != ids_.end()) {
      last_ = *it;
    } else {
      last_ = unused();
      entries_[last_].value = value;
      ids_.insert(last_);
    }
    ++entries_[last_].users;
    return last_;
  }
  void release(Id id) {
    if (id == 0 || --entries_[id].users != 0) return;
    ids_.erase(id);
    free_.push_back(id);
  }
  const T& operator[](Id id) const { return entries_[id].value; }

 private:
  struct Entry {
    T value{};
    std::uint32_t users = 0;
  };
  using Entries = std::vector<Entry>;
  struct Hash {
    using is_transparent = void;
    const Entries* entries;
    std::size_t operator()(Id id) const { return absl::HashOf((*entries)[id].value); }
    std::size_t operator()(const T& value) const { return absl::HashOf(value); }
  };
  struct Equal {
    using is_transparent = void;
    const Entries* entries;
    bool operator()(Id a, Id b) const { return a == b; }
    bool operator()(Id a, const T& b) const { return (*entries)[a].value == b; }
    bool operator()(const T& a, Id b) const { return (*entries)[b].value == a; }
  };

  Id unused() {
    if (free_.empty()) {
      entries_.emplace_back();
      return static_cast<Id>(entries_.size() - 1);
    }
    const Id id = free_.back();
    free_.pop_back();
    return id;
  }

  Entries entries_;  // [0] is no value
  absl::flat_hash_set<Id, Hash, Equal> ids_;
  std::vector<Id> free_;
  Id last_ = 0;  // the value referred to last: the next one is likely the same
};

}  // namespace tcpdwell
