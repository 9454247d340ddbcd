// SPDX-License-Identifier: Apache-2.0
// Where whoever reads the advice will run it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace tcpdwell {

struct Surroundings {
  std::uint32_t netns = 0;  // inode number of the network namespace; 0: not known
  std::map<std::uint32_t, std::string> named;  // others that are mounted: `ip netns`
  bool py_spy = false;                         // it is installed
};

}  // namespace tcpdwell
