// SPDX-License-Identifier: Apache-2.0
#include "options/kernel_filter.h"

#include <algorithm>
#include <cstring>

namespace tcpdwell {
namespace {

std::uint16_t copy(const std::vector<std::uint16_t>& ports,
                   std::uint16_t (&out)[TCPDWELL_MAX_PORTS]) {
  if (ports.size() > TCPDWELL_MAX_PORTS) return 0;
  std::copy(ports.begin(), ports.end(), out);
  return static_cast<std::uint16_t>(ports.size());
}

}  // namespace

tcpdwell_filter kernel_filter(const Filter& filter) {
  tcpdwell_filter out{};
  out.netns_inum = filter.netns.value_or(0);
  if (filter.family) out.family = static_cast<std::uint16_t>(*filter.family);
  out.ports = copy(filter.ports, out.port);
  out.local_ports = copy(filter.local_ports, out.local_port);
  out.remote_ports = copy(filter.remote_ports, out.remote_port);
  if (filter.addrs.size() > TCPDWELL_MAX_CIDRS) return out;
  for (const Cidr& cidr : filter.addrs) {
    tcpdwell_cidr& slot = out.cidr[out.cidrs++];
    std::memcpy(slot.addr, cidr.addr.data(), sizeof slot.addr);
    std::memcpy(slot.mask, cidr.mask.data(), sizeof slot.mask);
    slot.family = static_cast<std::uint16_t>(cidr.family);
  }
  return out;
}

}  // namespace tcpdwell
