// SPDX-License-Identifier: Apache-2.0
// Where sockets are: their network namespace, and their container or unit. Text output names these
// only from the moment on at which it has seen more than one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sinks/surroundings.h"

namespace tcpdwell {

class Places {
 public:
  // `here` has the names of namespaces; null: they are numbers.
  explicit Places(const Surroundings* here) : here_(here) {}

  // Call see() for a socket before text(). `cgroup`: its path; empty: not known.
  void see(std::uint32_t netns, std::string_view cgroup);
  // "netns blue  nginx.service"; empty while there is nothing to tell apart. Printable.
  std::string text(std::uint32_t netns, std::string_view cgroup) const;

 private:
  const Surroundings* here_;
  std::uint32_t netns_ = 0;       // the first one
  std::string cgroup_, service_;  // the first one that is known
  bool netns_differ_ = false, services_differ_ = false;
};

// "blue", as `ip netns` lists it, else its inode number. Printable.
std::string netns_name(std::uint32_t netns, const Surroundings* here);

}  // namespace tcpdwell
