// SPDX-License-Identifier: Apache-2.0
#include "export/services.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "export/page.h"
#include "host/service.h"

namespace tcpdwell::exporter {
namespace {

constexpr std::size_t kMostPaths = 16384;

void add(const Service& from, Service& to) {
  for (std::size_t i = 0; i < kStates; ++i) to.now[i] += from.now[i];
  to.stuck += from.stuck;
}

}  // namespace

std::uint64_t Service::connections() const {
  return std::accumulate(now.begin(), now.end(), std::uint64_t{0});
}

const std::string& Services::unit_of(std::string_view cgroup) {
  if (const auto it = units_.find(cgroup); it != units_.end()) return it->second;
  if (units_.size() >= kMostPaths) {
    units_.clear();
    nameless_pods_.clear();
  }
  return units_.try_emplace(std::string(cgroup), clean_label(looked_up(cgroup))).first->second;
}

std::string Services::looked_up(std::string_view cgroup) {
  if (pod_name_)
    if (const std::string id = pod_container_of(cgroup); !id.empty()) {
      if (std::string name = pod_name_(id); !name.empty()) return name;
      nameless_pods_.emplace_back(cgroup);
    }
  return service_of(cgroup);
}

const std::string& Services::name_of(std::string_view cgroup, std::string_view comm) {
  if (!cgroup.empty())
    if (const std::string& unit = unit_of(cgroup); !unit.empty()) return unit;
  name_ = comm.empty() ? std::string(kUnknown) : clean_label(comm);
  return name_;
}

void Services::begin() {
  for (const std::string& path : nameless_pods_) units_.erase(path);
  nameless_pods_.clear();
  absl::erase_if(services_, [](const auto& entry) { return !entry.second.named; });
  for (auto& [name, service] : services_) {
    service.now = {};
    service.stuck = 0;
  }
  other_ = {};
}

// A process may be named as the sum is: then it belongs to the sum.
Service& Services::at(const std::string& name) {
  if (name == kOther) return other_;
  if (const auto it = services_.find(name); it != services_.end()) return it->second;
  return services_.size() < kMost ? services_[name] : other_;
}

void Services::end() {
  std::vector<std::tuple<bool, std::uint64_t, std::string_view, Service*>> order;
  for (auto& [name, service] : services_) {
    const std::uint64_t connections = service.connections();
    if (connections + service.stuck != 0)
      order.emplace_back(service.stuck == 0, ~(service.named ? 2 * connections : connections), name,
                         &service);
    service.named = false;
  }
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) {
    Service& service = *std::get<Service*>(order[i]);
    service.named = i < most_named_;
    if (!service.named) add(service, other_);
  }
}

std::string_view Services::label_of(std::string_view name) const {
  const auto it = services_.find(name);
  return it != services_.end() && it->second.named ? std::string_view(it->first) : kOther;
}

}  // namespace tcpdwell::exporter
