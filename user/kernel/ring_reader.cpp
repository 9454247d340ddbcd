// SPDX-License-Identifier: Apache-2.0
#include "kernel/ring_reader.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace tcpdwell {
namespace {

void* map_shared(int fd, std::size_t size, int protection, std::size_t offset) {
  void* memory = ::mmap(nullptr, size, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

// The first ring stays in the caches at this size and holds some 10 ms of full churn. Measured:
// docs/performance.md.
RingSizes divide_ring(std::uint32_t total, bool may_spill) {
  constexpr std::uint32_t kFirst = 2U << 20U;
  const auto page = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
  if (total <= page || !may_spill) return {.first = total, .second = page, .spills = false};
  return {.first = std::min(kFirst, total / 2), .second = total / 2, .spills = true};
}

Result<std::unique_ptr<RingReader>> RingReader::open(const Descriptors& rings,
                                                     tcpdwell_shared& shared) {
  std::unique_ptr<RingReader> reader(new RingReader(rings, shared));
  std::array<RingCursor::Memory, 2> memory;
  for (std::size_t i = 0; i < rings.size(); ++i)
    if (auto error = reader->map(rings[i], memory[i])) return std::move(*error);
  reader->rings_ = RingPair(memory[0], memory[1], shared.phase);
  return reader;
}

// A page that we write, a page that the producers write, and the data, twice.
std::optional<Error> RingReader::map(int fd, RingCursor::Memory& memory) {
  bpf_map_info info{};
  __u32 info_size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &info_size) != 0)
    return system_error("asking for the size of an event ring");
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t size = page + 2 * std::size_t{info.max_entries};
  mappings_.push_back({map_shared(fd, page, PROT_READ | PROT_WRITE, 0), page});
  void* const consumer = mappings_.back().begin;
  mappings_.push_back({map_shared(fd, size, PROT_READ, page), size});
  void* const producer = mappings_.back().begin;
  if (!consumer || !producer) return system_error("mapping an event ring");
  memory = {.consumer = static_cast<RingCursor::Position*>(consumer),
            .producer = static_cast<const RingCursor::Position*>(producer),
            .data = static_cast<const std::byte*>(producer) + page,
            .size = info.max_entries};
  return std::nullopt;
}

RingReader::~RingReader() {
  for (const Mapping& mapping : mappings_)
    if (mapping.begin) ::munmap(mapping.begin, mapping.size);
}

void RingReader::arm() {
  std::atomic_ref<__u32>(shared_.wakeup).store(1, std::memory_order_seq_cst);
}

}  // namespace tcpdwell
