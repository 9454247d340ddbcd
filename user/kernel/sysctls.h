// SPDX-License-Identifier: Apache-2.0
// The values of sysctls, of this or of another network namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "host/sysctl_facts.h"
#include "kernel/bpf_iterators.h"

namespace tcpdwell {

// A network namespace as the user named it.
struct NetnsChoice {
  std::uint32_t inum = 0;
  std::string path;  // empty: given by number
};

// nullopt: no usable reference to the namespace. Our own needs no rights. A namespace given by
// number needs `walks`. The calling thread stays in its namespace.
std::optional<SysctlValues> read_sysctls(std::span<const std::string_view> names,
                                         const NetnsChoice& netns, BpfIterators* iterators);

// The inode number of the calling thread's namespace; 0: no /proc.
std::uint32_t own_netns();

}  // namespace tcpdwell
