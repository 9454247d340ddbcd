// SPDX-License-Identifier: Apache-2.0
#include "kernel/ring_reader.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

namespace tcpdwell {
namespace {

void* map_shared(int fd, std::size_t size, int protection, std::size_t offset) {
  void* memory = ::mmap(nullptr, size, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

Result<std::unique_ptr<RingReader>> RingReader::open(int ring_fd, tcpdwell_shared& shared,
                                                     RecordHandler& handler) {
  bpf_map_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(ring_fd, &info, &size) != 0)
    return system_error("asking for the size of the event ring");
  std::unique_ptr<RingReader> reader(new RingReader(ring_fd, shared, handler));
  if (!reader->map(info.max_entries)) return system_error("mapping the event ring");
  return reader;
}

// A page that we write, a page that the producers write, and the data, twice.
bool RingReader::map(std::size_t ring_bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  consumer_ = {map_shared(ring_fd_, page, PROT_READ | PROT_WRITE, 0), page};
  producer_.size = page + 2 * ring_bytes;
  producer_.begin = map_shared(ring_fd_, producer_.size, PROT_READ, page);
  if (!consumer_.begin || !producer_.begin) return false;
  cursor_ = RingCursor({.consumer = static_cast<RingCursor::Position*>(consumer_.begin),
                        .producer = static_cast<const RingCursor::Position*>(producer_.begin),
                        .data = static_cast<const std::byte*>(producer_.begin) + page,
                        .size = ring_bytes});
  return true;
}

RingReader::~RingReader() {
  for (const Mapping& mapping : {consumer_, producer_})
    if (mapping.begin) ::munmap(mapping.begin, mapping.size);
}

Drained RingReader::drain(int most) {
  const Drained drained =
      cursor_.drain(most, [this](std::span<const std::byte> record) { handler_.handle(record); });
  handler_.drained();
  return drained;
}

void RingReader::arm() {
  std::atomic_ref<__u32>(shared_.wakeup).store(1, std::memory_order_seq_cst);
}

}  // namespace tcpdwell
