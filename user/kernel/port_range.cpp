// SPDX-License-Identifier: Apache-2.0
#include "kernel/port_range.h"

#include <algorithm>
#include <cstdint>
#include <fstream>

namespace tcpdwell {
namespace {

// "8080,9000-9010", by rising port. How many of them are in [low, high].
std::uint32_t reserved_within(std::istream& list, int low, int high) {
  std::uint32_t count = 0;
  for (int first = 0; list >> first;) {
    int last = first;
    if (list.peek() == '-') list.ignore(1) >> last;
    const int from = std::max(first, low), to = std::min(last, high);
    if (from <= to) count += static_cast<std::uint32_t>(to - from + 1);
    if (list.peek() == ',') list.ignore(1);
  }
  return count;
}

}  // namespace

NamespaceEvent read_port_range() {
  NamespaceEvent event;
  int low = 0, high = 0;
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  if (!(range >> low >> high) || low < 1 || high > 65535) return event;
  event.port_low = static_cast<std::uint16_t>(low);
  event.port_high = static_cast<std::uint16_t>(high);
  std::ifstream reserved("/proc/sys/net/ipv4/ip_local_reserved_ports");
  event.reserved_ports = reserved_within(reserved, low, high);
  return event;
}

}  // namespace tcpdwell
