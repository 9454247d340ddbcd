// SPDX-License-Identifier: Apache-2.0
#include "where/process_memory.h"

#include <sys/uio.h>

#include <algorithm>

namespace tcpdwell {

// Page by page: a read that reaches an unmapped page fails as a whole.
std::size_t ProcessMemory::read(std::uint64_t at, std::span<std::byte> to) const {
  constexpr std::uint64_t kPage = 4096;
  std::size_t done = 0;
  while (done < to.size()) {
    const std::uint64_t from = at + done;
    const std::size_t size = std::min<std::uint64_t>(to.size() - done, kPage - from % kPage);
    const iovec local{.iov_base = to.data() + done, .iov_len = size};
    const iovec remote{
        .iov_base = reinterpret_cast<void*>(from),  // NOLINT(performance-no-int-to-ptr)
        .iov_len = size};
    if (::process_vm_readv(static_cast<pid_t>(pid_), &local, 1, &remote, 1, 0) !=
        static_cast<ssize_t>(size))
      break;
    done += size;
  }
  return done;
}

}  // namespace tcpdwell
