// SPDX-License-Identifier: Apache-2.0
// The consumer's side of the BPF ring buffer: hands records to a handler, in batches that end.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "kernel/ring_cursor.h"
#include "tcpdwell/wire.h"
#include "util/result.h"

namespace tcpdwell {

class RecordHandler {
 public:
  virtual ~RecordHandler() = default;
  // `record` is valid during the call only.
  virtual void handle(std::span<const std::byte> record) noexcept = 0;
  // The drain is over: what was put aside is to be worked on.
  virtual void drained() noexcept = 0;
};

class RingReader {
 public:
  // `ring_fd`, `shared` and `handler` must outlive it.
  static Result<std::unique_ptr<RingReader>> open(int ring_fd, tcpdwell_shared& shared,
                                                  RecordHandler& handler);
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  ~RingReader();

  // Hands over up to `most` records.
  Drained drain(int most);
  // Asks the kernel side for one wakeup with the next record. Call drain() once more before
  // sleeping: a record may have come in between. One that was busy then may wake nobody.
  void arm();
  // Watch it edge-triggered: by its level it would be readable with every record, asked for or not.
  int epoll_fd() const { return ring_fd_; }

 private:
  RingReader(int ring_fd, tcpdwell_shared& shared, RecordHandler& handler)
      : ring_fd_(ring_fd), shared_(shared), handler_(handler) {}
  bool map(std::size_t ring_bytes);

  struct Mapping {
    void* begin = nullptr;
    std::size_t size = 0;
  };
  int ring_fd_;
  tcpdwell_shared& shared_;
  RecordHandler& handler_;
  Mapping consumer_, producer_;
  RingCursor cursor_;
};

}  // namespace tcpdwell
