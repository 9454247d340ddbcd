// SPDX-License-Identifier: Apache-2.0
#include "report/port_curves.h"

#include <algorithm>
#include <utility>

#include "sinks/text_format.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kMostProcesses = 4;

std::string destination_key(const std::array<std::uint8_t, 16>& local, const Endpoint& remote,
                            Family family, std::uint32_t netns) {
  return format_address({local, 0}, family) + ' ' + format_endpoint(remote, family) + ' ' +
         std::to_string(netns);
}

std::uint32_t most_of(const PortCurve& curve) {
  return *std::max_element(curve.used.begin(), curve.used.end());
}

}  // namespace

void PortCurves::failed(const FailedConnectsRecord& record) {
  pressure_.failed(record);
  if (record.reason != ConnectFailure::NoPort || !record.one_destination) return;
  const Flow& flow = record.flow;
  const std::string key = destination_key(flow.local.addr, flow.remote, flow.family, flow.netns);
  if (failures_.size() >= kMost && !failures_.contains(key)) return;
  Failure& failure = failures_.try_emplace(key, Failure{.first = record.when.mono}).first->second;
  auto& all = failure.processes;
  if (record.process && all.size() < kMostProcesses &&
      std::find(all.begin(), all.end(), *record.process) == all.end())
    all.push_back(*record.process);
}

void PortCurves::begin(const PortRanges& ranges, Nanos now) {
  now_ = now;
  pressure_.begin(ranges, now);
}

PortCurves::Destination* PortCurves::find(const std::string& key, bool may_add) {
  const auto it = destinations_.find(key);
  if (it != destinations_.end()) return &it->second;
  return may_add && destinations_.size() < kMost ? &destinations_[key] : nullptr;
}

void PortCurves::end(const TimeWaitLength& length, TimeAxis& axis) {
  const std::vector<PortUse> uses = pressure_.end(length, kMost, true);
  std::size_t place = 0;
  for (const PortUse& use : uses) {
    Destination* destination =
        find(destination_key(use.site.local, use.remote, use.site.family, use.site.netns),
             place++ < kTop);
    if (destination == nullptr) continue;
    destination->used.at(axis, now_) = use.used;
    watch(destination->curve, use, now_);
  }
  // One that is not among them has no port in use, or fewer than any of so many others.
  for (auto& [key, destination] : destinations_)
    if (destination.curve.at != now_)
      destination.used.at(axis, now_) = uses.size() < kMost ? 0 : uses.back().used;
}

void PortCurves::watch(PortCurve& curve, const PortUse& use, Nanos now) {
  const Outlook outlook = use.forecast.outlook;
  if (outlook == Outlook::RunsOut && use.failed == 0 && !curve.warning) {
    curve.warning = use;
    curve.warned = now;
  } else if (outlook == Outlook::LevelsOff && use.failed == 0) {
    curve.warning.reset();
  }
  curve.use = use;
  curve.at = now;
}

std::vector<PortCurve> PortCurves::take(const TimeAxis& axis, std::size_t bins) {
  std::vector<std::pair<std::string, PortCurve>> all;
  for (auto& [key, destination] : destinations_) {
    PortCurve curve = std::move(destination.curve);
    if (const auto it = failures_.find(key); it != failures_.end()) {
      curve.first_failed = it->second.first;
      curve.failing = it->second.processes;
    }
    std::uint32_t level = 0;
    for (const auto& used : destination.used.values(axis, bins)) {
      if (used) level = *used;
      curve.used.push_back(level);
    }
    all.emplace_back(key, std::move(curve));
  }
  std::sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return std::pair(most_of(b.second), a.first) < std::pair(most_of(a.second), b.first);
  });
  std::vector<PortCurve> curves;
  for (auto& entry : all) curves.push_back(std::move(entry.second));
  return curves;
}

}  // namespace tcpdwell::reporting
