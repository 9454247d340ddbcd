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

// A network namespace as somebody named it.
struct NetnsChoice {
  std::uint32_t inum = 0;
  std::string path;  // empty: it was named by its number
};

// nullopt: nothing that may be followed leads there. Ours needs no right. One that is named by its
// number alone is looked for with `walks`, and not found without. The calling thread stays where it
// is.
std::optional<SysctlValues> read_sysctls(std::span<const std::string_view> names,
                                         const NetnsChoice& netns, BpfIterators* iterators);

// The inode number of the one that the calling thread is in; 0: there is no /proc.
std::uint32_t own_netns();

}  // namespace tcpdwell
