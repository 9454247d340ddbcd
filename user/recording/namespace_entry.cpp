// SPDX-License-Identifier: Apache-2.0
#include "recording/namespace_entry.h"

#include <algorithm>

#include "recording/format.h"

namespace tcpdwell::recording {
namespace {

static_assert(2 * PortSpan::kMost * sizeof(PortSpan) < kMostEntry - 256,
              "both lists must fit into one entry");

void put_spans(Packer& packer, const std::vector<PortSpan>& spans) {
  const auto count = static_cast<std::uint16_t>(std::min(spans.size(), PortSpan::kMost));
  packer.put(count);
  for (std::size_t i = 0; i < count; ++i) {
    packer.put(spans[i].first);
    packer.put(spans[i].last);
  }
}

void get_spans(Unpacker& unpacker, std::vector<PortSpan>& spans) {
  std::uint16_t count = 0;
  unpacker.get(count);
  for (; count > 0 && unpacker.ok(); --count) {
    PortSpan& span = spans.emplace_back();
    unpacker.get(span.first);
    unpacker.get(span.last);
  }
}

}  // namespace

void put_namespace(Packer& packer, const NamespaceEvent& range) {
  packer.put(range.at);
  packer.put(range.netns_cookie);
  packer.put(range.port_low);
  packer.put(range.port_high);
  packer.put(range.reserved_ports);
  packer.put(range.tw_reuse);
  packer.put(range.tw_reuse_delay_ms);
  for (const auto* spans : {&range.reserved, &range.bound}) put_spans(packer, *spans);
}

NamespaceEvent get_namespace(Unpacker& unpacker) {
  NamespaceEvent range;
  unpacker.get(range.at);
  unpacker.get(range.netns_cookie);
  unpacker.get(range.port_low);
  unpacker.get(range.port_high);
  unpacker.get(range.reserved_ports);
  if (!unpacker.has_more()) return range;
  unpacker.get(range.tw_reuse);
  unpacker.get(range.tw_reuse_delay_ms);
  for (auto* spans : {&range.reserved, &range.bound}) get_spans(unpacker, *spans);
  return range;
}

}  // namespace tcpdwell::recording
