// SPDX-License-Identifier: Apache-2.0
// The mounts of our mount namespace.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tcpdwell {

struct Mount {
  std::string root;  // the mounted part of the file system; of a namespace, "net:[4026531840]"
  std::string path;  // the mount point, unescaped
  std::string type;  // of the file system
};

std::vector<Mount> read_mountinfo(std::istream& in);
std::vector<Mount> our_mounts();  // of /proc/self/mountinfo

}  // namespace tcpdwell
