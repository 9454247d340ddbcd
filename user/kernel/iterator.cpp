// SPDX-License-Identifier: Apache-2.0
#include "kernel/iterator.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include "util/unique_fd.h"

namespace tcpdwell {

// A record can be split over two reads, but not over two walks.
Result<std::vector<std::byte>> read_all(const LinkPtr& link, std::string_view doing) {
  const UniqueFd walk(bpf_iter_create(bpf_link__fd(link.get())));
  if (!walk) return system_error(doing);
  std::vector<std::byte> bytes;
  constexpr std::size_t kBlock = 256U << 10U;
  std::size_t used = 0;
  while (true) {
    bytes.resize(used + kBlock);
    const ssize_t got = ::read(walk.get(), bytes.data() + used, kBlock);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return system_error(doing);
    used += static_cast<std::size_t>(got);
    if (got == 0) break;
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace tcpdwell
