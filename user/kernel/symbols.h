// SPDX-License-Identifier: Apache-2.0
// Addresses of kernel functions, from a list in the format of /proc/kallsyms.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

struct Symbol {
  std::string name;  // as asked for
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // start of the next symbol
};

// The symbols of `names` that exist with an address that is not hidden (kptr_restrict shows 0).
// Ignores a compiler's suffix: "tw_timer_handler.llvm.123" is tw_timer_handler, but ".cold" is not.
std::vector<Symbol> find_symbols(std::span<const std::string_view> names, std::istream& list);

}  // namespace tcpdwell
