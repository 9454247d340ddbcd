// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "model/types.h"

namespace tcpdwell {

// Such an address is of the same host in every network namespace.
inline bool is_loopback(const std::array<std::uint8_t, 16>& addr, Family family) {
  if (family == Family::Ipv4) return addr[0] == 127;
  return same(addr, std::array<std::uint8_t, 16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

}  // namespace tcpdwell
