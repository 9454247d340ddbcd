// SPDX-License-Identifier: Apache-2.0
#include "core/port_pressure.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace tcpdwell {
namespace {

// At this rate; nullopt: it does not grow, or not in any time that matters.
std::optional<Nanos> time_left(std::uint32_t used, std::uint32_t size, double per_second) {
  constexpr double kLongest = 100.0 * 365 * 86'400;
  if (per_second <= 0) return std::nullopt;
  const double left = size > used ? size - used : 0;
  const double seconds = left / per_second;
  if (seconds > kLongest) return std::nullopt;
  return Nanos{static_cast<std::int64_t>(seconds * 1e9)};
}

}  // namespace

void PortPressure::begin(const PortRanges& ranges) {
  ranges_ = &ranges;
  last_netns_ = 0;
  last_range_ = nullptr;
  uses_.clear();
}

const PortRange* PortPressure::range_of(const Site& site) {
  if (site.netns_cookie != last_netns_) {
    last_netns_ = site.netns_cookie;
    last_range_ = ranges_->find(site.netns_cookie);
  }
  return last_range_;
}

void PortPressure::see(const OpenConnection& connection) {
  if (connection.role() == Role::Server || connection.role() == Role::Listener) return;
  const Site& site = connection.site();
  const PortRange* range = range_of(site);
  const Endpoint remote = connection.remote();
  if (range == nullptr || !range->contains(connection.local_port()) || remote.port == 0) return;
  Use& use = use_of({remote.addr, site, remote.port});
  use.range = *range;
  ++use.used;
  ++use.states[index(connection.state())];
}

PortPressure::Use& PortPressure::use_of(const Destination& destination) {
  const auto it = uses_.find(destination);
  if (it != uses_.end()) return it->second;
  if (uses_.size() >= kMost) forget_small();
  return uses_[destination];
}

void PortPressure::forget_small() {
  for (std::uint32_t small = 1; uses_.size() > kMost / 2; small *= 2)
    absl::erase_if(uses_, [&](const auto& entry) { return entry.second.used <= small; });
}

double PortPressure::growth(const Destination& destination, const Use& use, Nanos elapsed,
                            Nanos least) const {
  const auto it = before_.find(destination);
  if (elapsed < least) return it == before_.end() ? 0 : it->second.per_second;
  const double before = it == before_.end() ? 0 : it->second.used;
  return (use.used - before) / std::chrono::duration<double>(elapsed).count();
}

std::vector<PortUse> PortPressure::end(Nanos now, Nanos least, std::size_t rows) {
  const Nanos elapsed = last_ ? now - *last_ : Nanos{0};
  const bool is_long = !last_ || elapsed >= least;
  std::vector<PortUse> all;
  decltype(before_) seen;
  for (const auto& [destination, use] : uses_) {
    const double per_second = last_ ? growth(destination, use, elapsed, least) : 0;
    seen[destination] = {use.used, per_second};
    all.push_back({.site = destination.site,
                   .remote = {destination.remote, destination.port},
                   .used = use.used,
                   .states = use.states,
                   .range = use.range,
                   .time_left = time_left(use.used, use.range.size(), per_second)});
  }
  if (is_long) {
    before_ = std::move(seen);
    last_ = now;
  }
  const auto fuller = [](const PortUse& a, const PortUse& b) {
    const auto key = [](const PortUse& use) {
      return std::tuple(~use.used, use.site.netns, use.site.local, use.remote.addr, use.remote.port,
                        use.site.netns_cookie);
    };
    return key(a) < key(b);
  };
  const auto kept = all.begin() + static_cast<std::ptrdiff_t>(std::min(rows, all.size()));
  std::partial_sort(all.begin(), kept, all.end(), fuller);
  all.erase(kept, all.end());
  return all;
}

}  // namespace tcpdwell
