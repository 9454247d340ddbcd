// SPDX-License-Identifier: Apache-2.0
// A BPF iterator that is attached, and all that one walk of it writes. Internal to this folder.
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

// Of an iterator over sockets: those of the network namespace that the calling thread is in.
Result<std::vector<std::byte>> read_all(const LinkPtr& link, std::string_view doing);

}  // namespace tcpdwell
