// SPDX-License-Identifier: Apache-2.0
#include "stats/port_pressure.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "model/loopback.h"

namespace tcpdwell {
namespace {

// Sort key: how soon the destination needs attention.
int urgency(const PortUse& use) {
  if (use.failed != 0) return 3;
  switch (use.forecast.outlook) {
    case Outlook::Full:
    case Outlook::RunsOut: return 2;
    case Outlook::NearLimit: return 1;
    default: return 0;
  }
}

}  // namespace

void PortPressure::failed(const FailedConnectsRecord& record) {
  if (record.reason != ConnectFailure::NoPort || !record.one_destination) return;
  const Flow& flow = record.flow;
  const Destination destination{flow.remote.addr,
                                {.local = flow.local.addr,
                                 .netns_cookie = flow.netns_cookie,
                                 .netns = flow.netns,
                                 .family = flow.family,
                                 .device = flow.device},
                                flow.remote.port};
  for (Failures* failures : {&failed_now_, &failed_ever_})
    if (failures->size() < kMost || failures->contains(destination))
      (*failures)[destination] += record.count;
}

void PortPressure::begin(const PortRanges& ranges, Nanos now) {
  ranges_ = &ranges;
  now_ = now;
  last_netns_ = 0;
  last_space_ = nullptr;
  ++walk_;
  bound_.clear();
}

// The first lookup of a namespace in a walk also adds the bound ports without a connection.
const PortSpace* PortPressure::space_of(std::uint64_t netns_cookie) {
  if (netns_cookie == last_netns_) return last_space_;
  last_netns_ = netns_cookie;
  last_space_ = ranges_->find(netns_cookie);
  if (last_space_ == nullptr || last_space_->bound.empty() || bound_.contains(netns_cookie))
    return last_space_;
  BoundPorts& bound = bound_[netns_cookie];
  for (const PortSpan& span : last_space_->bound)
    for (std::uint32_t port = span.first; port <= span.last; ++port)
      if (last_space_->contains(static_cast<std::uint16_t>(port)))
        bound.insert(static_cast<std::uint16_t>(port));
  return last_space_;
}

void PortPressure::see(const OpenConnection& connection) {
  const Site& site = connection.site();
  const PortSpace* space = space_of(site.netns_cookie);
  const std::uint16_t port = connection.local_port();
  if (space == nullptr || !space->contains(port) || space->is_reserved(port)) return;
  const bool serves = connection.role() == Role::Server || connection.role() == Role::Listener;
  if (serves || connection.port_bound()) {
    bound_[site.netns_cookie].insert(port);
    return;
  }
  const Endpoint remote = connection.remote();
  if (remote.port == 0) return;
  Use& use = use_of({remote.addr, site, remote.port}, *space);
  ++use.states[index(connection.state())];
  if (connection.state() == State::TimeWait)
    count_waiting(use, connection);
  else
    ++use.sample.held;
}

void PortPressure::count_waiting(Use& use, const OpenConnection& connection) const {
  const Nanos age = now_ - connection.entered();
  if (!use.reuses || !connection.timestamped())
    use.sample.add_lasting(age);
  else if (age <= use.space->tw_reuse_delay)
    ++use.sample.brief;
  else
    ++use.reusable;
}

PortPressure::Use& PortPressure::use_of(const Destination& destination, const PortSpace& space) {
  const auto known = uses_.find(destination);
  if (known != uses_.end() && known->second.walk == walk_) return known->second;
  if (known == uses_.end() && uses_.size() >= kMost) forget_small();
  Use& use = uses_[destination] = {.walk = walk_};
  const Family family = destination.site.family;
  // The condition of tcp_tw_reuse = 2.
  const bool loopback =
      is_loopback(destination.site.local, family) || is_loopback(destination.remote, family);
  use.space = &space;
  use.reuses = space.tw_reuse == 1 || (space.tw_reuse == 2 && loopback);
  use.sample.at = now_;
  use.sample.reuse_known = space.tw_reuse.has_value();
  return use;
}

void PortPressure::forget_unused() {
  absl::erase_if(uses_, [this](const auto& entry) { return entry.second.walk != walk_; });
}

void PortPressure::forget_small() {
  forget_unused();
  for (std::uint32_t small = 1; uses_.size() > kMost / 2; small *= 2)
    absl::erase_if(uses_, [&](const auto& entry) {
      return entry.second.sample.used() + entry.second.reusable <= small;
    });
}

std::uint32_t PortPressure::bound_in(std::uint64_t netns_cookie) const {
  const auto it = bound_.find(netns_cookie);
  return it == bound_.end() ? 0 : static_cast<std::uint32_t>(it->second.size());
}

// Drops earlier samples if the range has changed, or if few ports are in use.
void PortPressure::remember(const Destination& destination, const Use& use) {
  constexpr std::uint32_t kFar = 100;
  if (use.sample.used() * kFar < use.sample.capacity) return void(past_.erase(destination));
  History& past = past_[destination];
  if (past.range != *use.space) past.samples.clear();
  past.range = *use.space;
  past.samples.add(use.sample);
}

std::vector<PortUse> PortPressure::end(const TimeWaitLength& length, std::size_t rows, bool total) {
  const Failures& failures = total ? failed_ever_ : failed_now_;
  for (const auto& [destination, count] : failures)
    if (const PortSpace* space = space_of(destination.site.netns_cookie))
      use_of(destination, *space);
  forget_unused();
  all_.clear();
  all_.reserve(uses_.size());
  const PortHistory none;
  for (auto& [destination, use] : uses_) {
    const auto failed = failures.find(destination);
    const std::uint32_t size = use.space->size();
    PortUse entry{.site = destination.site,
                  .remote = {destination.remote, destination.port},
                  .used = use.sample.used(),
                  .reusable = use.reusable,
                  .states = use.states,
                  .range = *use.space,
                  .bound = std::min(bound_in(destination.site.netns_cookie), size),
                  .failed = failed == failures.end() ? 0 : failed->second};
    use.sample.capacity = entry.capacity();
    const auto past = past_.find(destination);
    const bool known = past != past_.end() && past->second.range == *use.space;
    entry.forecast = forecast(use.sample, known ? past->second.samples : none, length);
    all_.push_back(std::move(entry));
  }
  absl::erase_if(past_, [this](const auto& entry) { return !uses_.contains(entry.first); });
  for (const auto& [destination, use] : uses_) remember(destination, use);
  const auto fuller = [](const PortUse& a, const PortUse& b) {
    const auto key = [](const PortUse& use) {
      return std::tuple(-urgency(use), ~use.used, use.site.netns, use.site.local, use.remote.addr,
                        use.remote.port, use.site.netns_cookie);
    };
    return key(a) < key(b);
  };
  const auto kept = all_.begin() + static_cast<std::ptrdiff_t>(std::min(rows, all_.size()));
  std::partial_sort(all_.begin(), kept, all_.end(), fuller);
  return {all_.begin(), kept};
}

}  // namespace tcpdwell
