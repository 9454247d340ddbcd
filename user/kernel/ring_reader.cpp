// SPDX-License-Identifier: Apache-2.0
#include "kernel/ring_reader.h"

#include <bpf/libbpf.h>

#include <atomic>
#include <cerrno>

namespace tcpdwell {

void RingReader::Free::operator()(ring_buffer* ring) const noexcept { ring_buffer__free(ring); }

RingReader::~RingReader() = default;

Result<std::unique_ptr<RingReader>> RingReader::open(int ring_fd, tcpdwell_shared& shared,
                                                     RecordHandler& handler) {
  std::unique_ptr<RingReader> reader(new RingReader(shared, handler));
  reader->ring_.reset(ring_buffer__new(ring_fd, on_record, reader.get(), nullptr));
  if (!reader->ring_) return system_error("mapping the event ring");
  return reader;
}

// Called from C, so nothing may escape. A negative return ends the drain after this record is
// consumed, which bounds a batch also where libbpf has no limit of its own (before 1.5).
int RingReader::on_record(void* context, void* data, std::size_t size) noexcept {
  auto& reader = *static_cast<RingReader*>(context);
  reader.handler_.handle({static_cast<const std::byte*>(data), size});
  return --reader.left_ > 0 ? 0 : -ECANCELED;
}

bool RingReader::drain(int most) {
  left_ = most;
  return ring_buffer__consume(ring_.get()) != -ECANCELED;
}

void RingReader::arm() {
  std::atomic_ref<__u32>(shared_.wakeup).store(1, std::memory_order_seq_cst);
}

int RingReader::epoll_fd() const { return ring_buffer__epoll_fd(ring_.get()); }

}  // namespace tcpdwell
