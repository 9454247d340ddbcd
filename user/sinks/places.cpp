// SPDX-License-Identifier: Apache-2.0
#include "sinks/places.h"

#include "host/service.h"
#include "sinks/escape.h"

namespace tcpdwell {

std::string netns_name(std::uint32_t netns, const Surroundings* here) {
  if (here != nullptr)
    if (const auto named = here->named.find(netns); named != here->named.end()) {
      const std::string_view path = named->second;  // where it is mounted
      for (const std::string_view folder : {"/run/netns/", "/var/run/netns/"})
        if (path.starts_with(folder)) {
          std::string text;
          append_printable(text, path.substr(folder.size()));
          return text;
        }
    }
  return std::to_string(netns);
}

void Places::see(std::uint32_t netns, std::string_view cgroup) {
  if (netns_ == 0) netns_ = netns;
  netns_differ_ = netns_differ_ || (netns != 0 && netns != netns_);
  if (services_differ_ || cgroup.empty() || cgroup == cgroup_) return;
  std::string service = service_of(cgroup);
  if (cgroup_.empty())
    service_ = service;
  else
    services_differ_ = service != service_;
  cgroup_ = cgroup;
}

std::string Places::text(std::uint32_t netns, std::string_view cgroup) const {
  std::string text;
  if (netns_differ_ && netns != 0) text = "netns " + netns_name(netns, here_);
  const std::string service = services_differ_ ? service_of(cgroup) : "";
  if (!service.empty()) {
    if (!text.empty()) text += "  ";
    append_printable(text, service);
  }
  return text;
}

}  // namespace tcpdwell
