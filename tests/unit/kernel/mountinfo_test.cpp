// SPDX-License-Identifier: Apache-2.0
#include "kernel/mountinfo.h"

#include <gtest/gtest.h>

#include <sstream>

namespace tcpdwell {
namespace {

TEST(Mountinfo, HasNoEscapesAndAnyNumberOfOptions) {
  std::istringstream in(
      R"(36 35 0:4 net:[4026532281] /run/netns/a\040b\134c rw shared:22 master:1 - nsfs nsfs rw
25 1 0:23 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
26 1 0:24 /a /not\04x\ rw shared:1 - tmpfs tmpfs rw
damaged line
)");
  const auto mounts = read_mountinfo(in);
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[0].root, "net:[4026532281]");
  EXPECT_EQ(mounts[0].path, R"(/run/netns/a b\c)");
  EXPECT_EQ(mounts[0].type, "nsfs");
  EXPECT_EQ(mounts[1].type, "cgroup2");
  EXPECT_EQ(mounts[1].path, "/sys/fs/cgroup");
  EXPECT_EQ(mounts[2].path, R"(/not\04x\)") << "three octal digits or none";
}

}  // namespace
}  // namespace tcpdwell
