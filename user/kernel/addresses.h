// SPDX-License-Identifier: Apache-2.0
// The addresses of kernel functions that the BPF programs compare with. There are several ways to
// them; which one works is tried, never told from a version.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "kernel/symbol_iterators.h"
#include "kernel/symbols.h"
#include "tcpdwell/wire.h"
#include "util/result.h"

namespace tcpdwell {

struct Addresses {
  std::uint64_t timewait_timer = 0;  // tw_timer_handler(); never 0 in a Result
  std::uint64_t request_timer = 0;   // reqsk_timer_handler(); never 0 in a Result
  // The functions that tell, on the stack, who cancels such a timer. All that it takes to tell them
  // apart, or none: with one missing, the next on the stack would be taken for it.
  std::vector<tcpdwell_range> cancellers;
};

// In the order in which they are tried. A way that does not work finds nothing.
struct AddressSources {
  using Names = std::span<const std::string_view>;
  std::function<std::vector<Symbol>(Names)> kallsyms;  // /proc/kallsyms
  std::function<std::vector<Symbol>(Names)> ksyms;     // iter/ksym; where the first shows nothing
  std::function<TimerHandlers()> sockets;  // of our own: where there is no such symbol, either
};
AddressSources address_sources();
// The same; a thread of its own reads the first from now on. The kernel takes as long to write that
// list as libbpf takes to load the programs.
AddressSources read_ahead(AddressSources sources);

// An address of 0 is an error, never a filter: it would match nothing without a word.
Result<Addresses> find_addresses(const AddressSources& sources);

}  // namespace tcpdwell
