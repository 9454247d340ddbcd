// SPDX-License-Identifier: Apache-2.0
// cgroup v2 ids to paths.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "util/unique_fd.h"

namespace tcpdwell {

struct CgroupName {
  std::uint64_t id = 0;
  std::string path;  // below the cgroup v2 root, "/" for the root; empty: gone
};

// The mount point of cgroup v2; empty: not mounted.
std::string find_cgroup2_mount();
// All existing cgroups.
std::vector<CgroupName> list_cgroups(const std::string& mount);

class CgroupNames {
 public:
  explicit CgroupNames(std::string mount);
  // Empty: the cgroup is gone. Can be slow; thread safe.
  std::string path_of(std::uint64_t id) const;

 private:
  std::string search(std::uint64_t id) const;
  std::string mount_;
  UniqueFd root_;
};

}  // namespace tcpdwell
