// SPDX-License-Identifier: Apache-2.0
// An attached BPF iterator, and a function that reads one whole walk. Internal to this folder.
#pragma once

#include <bpf/libbpf.h>

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "util/result.h"

namespace tcpdwell {

struct DestroyLink {
  void operator()(bpf_link* link) const noexcept { bpf_link__destroy(link); }
};
using LinkPtr = std::unique_ptr<bpf_link, DestroyLink>;

// An iterator over sockets walks the calling thread's network namespace.
Result<std::vector<std::byte>> read_all(const LinkPtr& link, std::string_view doing);

}  // namespace tcpdwell
