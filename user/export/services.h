// SPDX-License-Identifier: Apache-2.0
// The service of each connection: the unit or the container of its cgroup (of a Kubernetes pod
// "namespace/pod/container"), else the name of its process. Only the largest have a name of their
// own in the metrics; the rest is "other". So the number of series is bounded whatever runs on the
// host.
//
// A service keeps its name until another one has twice as many connections, or stuck sockets:
// series that come and go are dear for Prometheus.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/node_hash_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/types.h"

namespace tcpdwell::exporter {

inline constexpr std::string_view kOther = "other", kUnknown = "unknown";

struct Service {
  std::array<std::uint32_t, kStates> now{};  // open connections, by State
  std::uint32_t stuck = 0;                   // stuck sockets
  bool named = false;

  std::uint64_t connections() const;
};

class Services {
 public:
  static constexpr std::size_t kMost = 4096;  // kept apart before the largest are chosen

  // The name of a container of a Kubernetes pod by its id (64 hex digits); "": not known yet.
  using PodName = std::function<std::string(std::string_view id)>;

  explicit Services(std::size_t named, PodName pod_name = {})
      : most_named_(named), pod_name_(std::move(pod_name)) {}

  // The name of a service: clean, and kUnknown if neither is known. `comm`: of its process. The
  // result is valid until the next call.
  const std::string& name_of(std::string_view cgroup, std::string_view comm);

  // One round: begin(), at() for each connection and stuck socket, end().
  void begin();
  Service& at(const std::string& name);
  void end();
  // The label of a service as of the last round: its name or kOther.
  std::string_view label_of(std::string_view name) const;

  // Calls visit(label, service) for the named services, and for the sum of the others.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [name, service] : services_)
      if (service.named) visit(std::string_view(name), service);
    visit(kOther, other_);
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  const std::string& unit_of(std::string_view cgroup);
  std::string looked_up(std::string_view cgroup);

  std::size_t most_named_;
  PodName pod_name_;
  std::vector<std::string> nameless_pods_;  // paths in units_, to be looked up again
  absl::flat_hash_map<std::string, std::string, Hash, std::equal_to<>> units_;  // by cgroup path
  absl::node_hash_map<std::string, Service, Hash, std::equal_to<>> services_;
  Service other_;
  std::string name_;
};

}  // namespace tcpdwell::exporter
