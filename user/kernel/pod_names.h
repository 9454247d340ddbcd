// SPDX-License-Identifier: Apache-2.0
// Names of the containers of Kubernetes pods, without its API: kubelet makes a link for each,
// /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace tcpdwell {

class PodNames {
 public:
  using Clock = std::chrono::steady_clock;

  explicit PodNames(std::string directory = "/var/log/containers")
      : directory_(std::move(directory)) {}

  // "NAMESPACE/POD/CONTAINER"; "" while there is no link with this id (64 hex digits). For an
  // unknown id it reads the directory again, but at most every 5 s. Untrusted, like the path.
  std::string name_of(std::string_view id, Clock::time_point now);

 private:
  void read();

  std::string directory_;
  std::map<std::string, std::string, std::less<>> names_;  // by id
  Clock::time_point next_read_ = Clock::time_point::min();
};

}  // namespace tcpdwell
