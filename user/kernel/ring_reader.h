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

class RecordHandler {
 public:
  virtual ~RecordHandler() = default;
  // `record` is valid during the call only.
  virtual void handle(std::span<const std::byte> record) noexcept = 0;
  // The drain has ended: handle deferred records.
  virtual void drained() noexcept = 0;
};

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
  // The descriptors of the rings, `shared` and `handler` must outlive it.
  static Result<std::unique_ptr<RingReader>> open(const Descriptors& rings, tcpdwell_shared& shared,
                                                  RecordHandler& handler);
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  ~RingReader();

  // Handles up to `most` records.
  Drained drain(int most);
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

  RingReader(const Descriptors& fds, tcpdwell_shared& shared, RecordHandler& handler)
      : fds_(fds), shared_(shared), handler_(handler) {}
  std::optional<Error> map(int fd, RingCursor::Memory& memory);

  Descriptors fds_;
  tcpdwell_shared& shared_;
  RecordHandler& handler_;
  std::vector<Mapping> mappings_;
  RingPair rings_;
  bool crowded_ = false;
};

}  // namespace tcpdwell
