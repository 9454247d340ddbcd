// SPDX-License-Identifier: Apache-2.0
// The consumer's side of the BPF ring buffer: hands records to a handler, in batches that end.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "tcpdwell/wire.h"
#include "util/result.h"

struct ring_buffer;

namespace tcpdwell {

class RecordHandler {
 public:
  virtual ~RecordHandler() = default;
  // `record` is valid during the call only.
  virtual void handle(std::span<const std::byte> record) noexcept = 0;
};

class RingReader {
 public:
  // `shared` and `handler` must outlive it.
  static Result<std::unique_ptr<RingReader>> open(int ring_fd, tcpdwell_shared& shared,
                                                  RecordHandler& handler);
  ~RingReader();

  // Hands over up to `most` records; true if the ring was emptied.
  bool drain(int most);
  // Asks the kernel side for one wakeup with the next record. Call drain() once more before
  // sleeping: a record may have come in between.
  void arm();
  int epoll_fd() const;

 private:
  RingReader(tcpdwell_shared& shared, RecordHandler& handler)
      : shared_(shared), handler_(handler) {}
  static int on_record(void* context, void* data, std::size_t size) noexcept;

  struct Free {
    void operator()(ring_buffer* ring) const noexcept;
  };
  tcpdwell_shared& shared_;
  RecordHandler& handler_;
  int left_ = 0;
  std::unique_ptr<ring_buffer, Free> ring_;
};

}  // namespace tcpdwell
