// SPDX-License-Identifier: Apache-2.0
// Batches records on their way into the table, so that the table entries of later records are
// prefetched while earlier ones are applied. With a million connections, cache misses are most of
// the cost of an event.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "lifecycle/lifecycle.h"
#include "pipeline/decode.h"

namespace tcpdwell {

class PrefetchBatch {
 public:
  // `lifecycle` must outlive the batch.
  explicit PrefetchBatch(const Lifecycle& lifecycle) : lifecycle_(lifecycle) {}

  // Copies the record. Returns false if it does not decode.
  bool add(std::span<const std::byte> record) {
    if (!decode(record, batch_[size_])) return false;
    lifecycle_.expect(batch_[size_++]);
    return true;
  }
  bool full() const { return size_ == kBatch; }
  // Calls work(const Event&) for each event, in order, and empties the batch.
  template <typename Work>
  void empty(Work&& work) {
    for (std::size_t i = 0; i < size_; ++i) lifecycle_.expect_soon(batch_[i]);
    for (std::size_t i = 0; i < size_; ++i) work(batch_[i]);
    size_ = 0;
  }

 private:
  static constexpr std::size_t kBatch = 16;  // more would not fit into the L1 cache
  const Lifecycle& lifecycle_;
  std::array<Event, kBatch> batch_;
  std::size_t size_ = 0;
};

}  // namespace tcpdwell
