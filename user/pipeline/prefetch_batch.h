// SPDX-License-Identifier: Apache-2.0
// Records on their way into the table, a few at a time: while one of them is worked on, what the
// next ones will need is on its way into the cache. With a million connections that is most of an
// event's cost.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "pipeline/decode.h"
#include "lifecycle/lifecycle.h"

namespace tcpdwell {

class PrefetchBatch {
 public:
  // It must outlive this.
  explicit PrefetchBatch(const Lifecycle& lifecycle) : lifecycle_(lifecycle) {}

  // False: it is no event. The record is copied.
  bool add(std::span<const std::byte> record) {
    if (!decode(record, batch_[size_])) return false;
    lifecycle_.expect(batch_[size_++]);
    return true;
  }
  bool full() const { return size_ == kBatch; }
  // Hands over what was added, in order: work(const Event&).
  template <typename Work>
  void empty(Work&& work) {
    for (std::size_t i = 0; i < size_; ++i) lifecycle_.expect_soon(batch_[i]);
    for (std::size_t i = 0; i < size_; ++i) work(batch_[i]);
    size_ = 0;
  }

 private:
  static constexpr std::size_t kBatch = 16;  // more would not stay in the first level of the cache
  const Lifecycle& lifecycle_;
  std::array<Event, kBatch> batch_;
  std::size_t size_ = 0;
};

}  // namespace tcpdwell
