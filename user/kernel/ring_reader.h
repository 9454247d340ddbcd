// SPDX-License-Identifier: Apache-2.0
// The consumer's side of the two BPF ring buffers (ring_pair.h): passes records to a handler in
// order, in bounded batches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "kernel/ring_pair.h"
#include "tcpdwell/wire.h"
#include "util/result.h"

namespace tcpdwell {

// Divides a number of bytes between the rings. Without `spills`, the first ring has all, and the
// second is one unused page.
struct RingSizes {
  std::uint32_t first = 0, second = 0;  // powers of two of pages
  bool spills = false;
};
// `total`: a power of two of pages. `may_spill`: this kernel supports two rings.
RingSizes divide_ring(std::uint32_t total, bool may_spill);

class RingReader {
 public:
  using Descriptors = std::array<int, 2>;
  // The descriptors of the rings, and `shared` must outlive it.
  static Result<std::unique_ptr<RingReader>> open(const Descriptors& rings,
                                                  tcpdwell_shared& shared);
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  ~RingReader();

  // Calls handler.handle(record) for up to `most` records, then handler.drained(). A record is
  // valid during the call only.
  template <typename Handler>
  Drained drain(int most, Handler& handler) {
    const RingCursor::Position before = rings_.position();
    const bool spilled = rings_.is_spilling();
    const Drained drained = rings_.drain(
        most, [&handler](std::span<const std::byte> record) { handler.handle(record); });
    crowded_ = spilled || rings_.position() - before > rings_.first_size() / 4;
    handler.drained();
    return drained;
  }
  // Requests one wakeup with the next record. Call drain() again before sleeping: a record may have
  // come in between. A record in progress at that time may not wake us.
  void arm();
  // Watch both edge-triggered: level-triggered, they are readable with every record.
  const Descriptors& fds() const { return fds_; }
  // The last drain found so much that the first ring may soon be full.
  bool is_crowded() const { return crowded_; }
  std::uint64_t spills() const {
    return rings_.spills();
  }  // number of times that the second ring was in use

 private:
  struct Mapping {
    void* begin = nullptr;
    std::size_t size = 0;
  };

  RingReader(const Descriptors& fds, tcpdwell_shared& shared) : fds_(fds), shared_(shared) {}
  std::optional<Error> map(int fd, RingCursor::Memory& memory);

  Descriptors fds_;
  tcpdwell_shared& shared_;
  std::vector<Mapping> mappings_;
  RingPair rings_;
  bool crowded_ = false;
};

}  // namespace tcpdwell
