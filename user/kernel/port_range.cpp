// SPDX-License-Identifier: Apache-2.0
#include "kernel/port_range.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <vector>

#include "kernel/sock_diag.h"

namespace tcpdwell {
namespace {

// "8080,9000-9010", by rising port. Those of them that are in [low, high].
std::vector<PortSpan> spans_within(std::istream& list, int low, int high) {
  std::vector<PortSpan> spans;
  for (int first = 0; spans.size() < PortSpan::kMost && list >> first;) {
    int last = first;
    if (list.peek() == '-') list.ignore(1) >> last;
    const int from = std::max(first, low), to = std::min(last, high);
    if (from <= to)
      spans.push_back({static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to)});
    if (list.peek() == ',') list.ignore(1);
  }
  return spans;
}

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
  std::ifstream reserved("/proc/sys/net/ipv4/ip_local_reserved_ports");
  event.reserved = spans_within(reserved, low, high);
  for (const PortSpan& span : event.reserved)
    event.reserved_ports += static_cast<std::uint32_t>(span.last - span.first) + 1;
  event.bound = spans_of(bound_ports(event.port_low, event.port_high));
  if (const auto reuse = read_number("/proc/sys/net/ipv4/tcp_tw_reuse"); reuse && *reuse <= 2)
    event.tw_reuse = static_cast<std::uint8_t>(*reuse);
  event.tw_reuse_delay_ms =
      read_number("/proc/sys/net/ipv4/tcp_tw_reuse_delay").value_or(event.tw_reuse_delay_ms);
  return event;
}

}  // namespace tcpdwell
