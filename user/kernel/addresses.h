// SPDX-License-Identifier: Apache-2.0
// The addresses of kernel functions that the BPF programs compare with. Several sources are tried
// in turn; kernel versions are not compared.
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
  // The functions on the stack that show why such a timer is cancelled. Either all of them or none:
  // if one were missing, the next one on the stack would match instead.
  std::vector<tcpdwell_range> cancellers;
};

// The sources, in the order of use. A source that does not work returns nothing.
struct AddressSources {
  using Names = std::span<const std::string_view>;
  std::function<std::vector<Symbol>(Names)> kallsyms;  // /proc/kallsyms
  std::function<std::vector<Symbol>(Names)> ksyms;     // iter/ksym, if kallsyms shows nothing
  std::function<TimerHandlers()> sockets;  // sockets of our own, if there is no symbol either
};
AddressSources address_sources();
// The same, but a thread reads kallsyms at once: the kernel takes as long to write that list as
// libbpf takes to load the programs.
AddressSources read_ahead(AddressSources sources);

// An address of 0 is an error: as a filter it would match nothing in silence.
Result<Addresses> find_addresses(const AddressSources& sources);

}  // namespace tcpdwell
