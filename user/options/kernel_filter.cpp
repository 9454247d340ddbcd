// SPDX-License-Identifier: Apache-2.0
#include "options/kernel_filter.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace tcpdwell {
namespace {

// Writes each port of the list, and returns how many; 0 (any port) if they do not fit.
std::uint16_t copy(const PortList& ports, std::uint16_t (&out)[TCPDWELL_MAX_PORTS]) {
  std::size_t count = 0;
  for (const PortMatch& match : ports)
    for (unsigned port = match.first; port <= match.last; ++port) {
      if (count == TCPDWELL_MAX_PORTS) {
        std::fill(std::begin(out), std::end(out), std::uint16_t{0});
        return 0;
      }
      out[count++] = static_cast<std::uint16_t>(port);
    }
  return static_cast<std::uint16_t>(count);
}

// The ports of one side; empty: any.
PortList ports_of(const PortList& own, const std::vector<EndMatch>& ends) {
  if (!own.empty()) return own;
  PortList ports;
  for (const EndMatch& end : ends) {
    if (!end.port) return {};
    ports.push_back(*end.port);
  }
  return ports;
}

// nullopt: one of them has no address.
std::optional<std::vector<Cidr>> blocks_of(const std::vector<EndMatch>& ends) {
  std::vector<Cidr> blocks;
  for (const EndMatch& end : ends) {
    if (!end.addr) return std::nullopt;
    blocks.push_back(*end.addr);
  }
  return blocks;
}

// The kernel side knows no sides of addresses: it passes either, and one list must do.
std::vector<Cidr> addresses_of(const Filter& filter) {
  if (!filter.addrs.empty()) return filter.addrs;
  for (const auto* ends : {&filter.remotes, &filter.locals})
    if (auto blocks = blocks_of(*ends); blocks && !blocks->empty()) return std::move(*blocks);
  return {};
}

}  // namespace

tcpdwell_filter kernel_filter(const Filter& filter) {
  tcpdwell_filter out{};
  out.netns_inum = filter.netns.value_or(0);
  if (filter.family) out.family = static_cast<std::uint16_t>(*filter.family);
  out.ports = copy(filter.ports, out.port);
  out.local_ports = copy(ports_of(filter.local_ports, filter.locals), out.local_port);
  out.remote_ports = copy(ports_of(filter.remote_ports, filter.remotes), out.remote_port);
  const std::vector<Cidr> addrs = addresses_of(filter);
  if (addrs.size() > TCPDWELL_MAX_CIDRS) return out;
  for (const Cidr& cidr : addrs) {
    tcpdwell_cidr& slot = out.cidr[out.cidrs++];
    std::memcpy(slot.addr, cidr.addr.data(), sizeof slot.addr);
    std::memcpy(slot.mask, cidr.mask.data(), sizeof slot.mask);
    slot.family = static_cast<std::uint16_t>(cidr.family);
  }
  return out;
}

}  // namespace tcpdwell
