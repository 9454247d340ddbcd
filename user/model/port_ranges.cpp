// SPDX-License-Identifier: Apache-2.0
#include "model/port_ranges.h"

#include <algorithm>
#include <charconv>

namespace tcpdwell {

namespace {

// Removes the number at the beginning of `text` and returns it; -1: none.
int take_number(std::string_view& text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

std::vector<PortSpan> parse_ports(std::string_view list, std::uint16_t low, std::uint16_t high) {
  std::vector<PortSpan> spans;
  while (spans.size() < PortSpan::kMost) {
    const int first = take_number(list);
    int last = first;
    if (first >= 0 && list.starts_with('-')) {
      list.remove_prefix(1);
      last = take_number(list);
    }
    if (first < 0 || last < first) break;
    const int from = std::max<int>(first, low), to = std::min<int>(last, high);
    if (from <= to)
      spans.push_back({static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to)});
    if (!list.starts_with(',')) break;
    list.remove_prefix(1);
  }
  return spans;
}

std::uint32_t count_ports(const std::vector<PortSpan>& spans) {
  std::uint32_t count = 0;
  for (const PortSpan& span : spans)
    count += static_cast<std::uint32_t>(span.last - span.first) + 1;
  return count;
}

bool PortSpace::is_reserved(std::uint16_t port) const {
  const auto after = std::upper_bound(
      reserved_spans.begin(), reserved_spans.end(), port,
      [](std::uint16_t value, const PortSpan& span) { return value < span.first; });
  return after != reserved_spans.begin() && port <= (after - 1)->last;
}

void PortRanges::make_room() {
  if (ranges_.size() >= kMost) ranges_.clear();
  if (unknown_.size() >= kMost) unknown_.clear();  // this run reads no port ranges
}

void PortRanges::notice(std::uint64_t netns_cookie) {
  last_ = netns_cookie;
  if (netns_cookie == 0 || ranges_.contains(netns_cookie)) return;
  make_room();
  ranges_.try_emplace(netns_cookie);
  unknown_.push_back(netns_cookie);
}

void PortRanges::learn(const NamespaceEvent& event) {
  if (!ranges_.contains(event.netns_cookie)) make_room();
  PortSpace range;
  range.low = event.port_low;
  range.high = event.port_high;
  range.reserved = event.reserved_ports;
  range.reserved_spans = event.reserved;
  range.bound = event.bound;
  range.tw_reuse = event.tw_reuse;
  range.tw_reuse_delay = std::chrono::milliseconds{event.tw_reuse_delay_ms};
  const auto width = static_cast<std::uint32_t>(range.high - range.low) + 1;
  if (range.low > range.high) range = {};
  range.reserved = std::min(range.reserved, width);
  ranges_[event.netns_cookie] = std::move(range);
  std::erase(unknown_, event.netns_cookie);
}

const PortSpace* PortRanges::find(std::uint64_t netns_cookie) const {
  const auto it = ranges_.find(netns_cookie);
  return it == ranges_.end() || it->second.low == 0 ? nullptr : &it->second;
}

}  // namespace tcpdwell
