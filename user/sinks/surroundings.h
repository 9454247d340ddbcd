// SPDX-License-Identifier: Apache-2.0
// The environment in which the user will run the advice.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace tcpdwell {

struct Surroundings {
  std::uint32_t netns = 0;                     // inode number of the network namespace; 0: unknown
  std::map<std::uint32_t, std::string> named;  // mounted ones, as in `ip netns`
  bool py_spy = false;                         // py-spy is installed
};

}  // namespace tcpdwell
