// SPDX-License-Identifier: Apache-2.0
#include "kernel/port_range.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "kernel/sock_diag.h"
#include "model/port_ranges.h"

namespace tcpdwell {
namespace {

std::vector<PortSpan> spans_of(std::vector<std::uint16_t> ports) {
  std::sort(ports.begin(), ports.end());
  std::vector<PortSpan> spans;
  for (const std::uint16_t port : ports) {
    if (spans.empty() || port > spans.back().last + 1) {
      if (spans.size() == PortSpan::kMost) break;
      spans.push_back({port, port});
    }
    spans.back().last = port;
  }
  return spans;
}

std::optional<unsigned> read_number(const char* path) {
  std::ifstream file(path);
  unsigned value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

}  // namespace

NamespaceEvent read_port_range() {
  NamespaceEvent event;
  int low = 0, high = 0;
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  if (!(range >> low >> high) || low < 1 || high > 65535) return event;
  event.port_low = static_cast<std::uint16_t>(low);
  event.port_high = static_cast<std::uint16_t>(high);
  std::ifstream file("/proc/sys/net/ipv4/ip_local_reserved_ports");
  std::string reserved;
  std::getline(file, reserved);
  event.reserved = parse_ports(reserved, event.port_low, event.port_high);
  event.reserved_ports = count_ports(event.reserved);
  event.bound = spans_of(bound_ports(event.port_low, event.port_high));
  if (const auto reuse = read_number("/proc/sys/net/ipv4/tcp_tw_reuse"); reuse && *reuse <= 2)
    event.tw_reuse = static_cast<std::uint8_t>(*reuse);
  event.tw_reuse_delay_ms =
      read_number("/proc/sys/net/ipv4/tcp_tw_reuse_delay").value_or(event.tw_reuse_delay_ms);
  return event;
}

}  // namespace tcpdwell
