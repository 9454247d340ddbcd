// SPDX-License-Identifier: Apache-2.0
// Which sysctl files are read, in which order, and that nothing else is touched.
#include "kernel/sysctl_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kernel/sysctls.h"

namespace tcpdwell {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class SysctlFiles : public testing::Test {
 protected:
  SysctlFiles() {
    std::string name = (fs::temp_directory_path() / "sysctl_files_test.XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~SysctlFiles() override { fs::remove_all(root_); }

  fs::path at(const std::string& path) {
    const fs::path full = root_ + path;
    fs::create_directories(full.parent_path());
    return full;
  }
  void write(const std::string& path, const std::string& text) { std::ofstream(at(path)) << text; }
  // "PATH: TEXT" of each.
  std::vector<std::string> visited() {
    std::vector<std::string> all;
    visit_sysctl_files(root_,
                       {.file =
                            [&](const std::string& path, std::string_view text) {
                              all.push_back(path.substr(root_.size()) + ": " + std::string(text));
                            },
                        .unreadable =
                            [&](const std::string& path, const std::string& why) {
                              all.push_back(path.substr(root_.size()) + " unreadable: " + why);
                            }});
    return all;
  }

  std::string root_;
};

TEST_F(SysctlFiles, NoneIsNoError) { EXPECT_THAT(visited(), IsEmpty()); }

TEST_F(SysctlFiles, ByNameOfAllDirectoriesAndTheOldOneLast) {
  write("/etc/sysctl.conf", "old");
  write("/etc/sysctl.d/50-b.conf", "b");
  write("/lib/sysctl.d/10-a.conf", "a");
  write("/usr/lib/sysctl.d/60-c.conf", "c");
  write("/usr/local/lib/sysctl.d/70-d.conf", "d");
  write("/run/sysctl.d/80-e.conf", "e");
  EXPECT_THAT(visited(),
              ElementsAre("/lib/sysctl.d/10-a.conf: a", "/etc/sysctl.d/50-b.conf: b",
                          "/usr/lib/sysctl.d/60-c.conf: c", "/usr/local/lib/sysctl.d/70-d.conf: d",
                          "/run/sysctl.d/80-e.conf: e", "/etc/sysctl.conf: old"));
}

TEST_F(SysctlFiles, OneNameHidesTheSameOneFurtherDown) {
  write("/etc/sysctl.d/a.conf", "ours");
  write("/usr/lib/sysctl.d/a.conf", "the package's");
  write("/run/sysctl.d/b.conf", "run");
  write("/usr/local/lib/sysctl.d/b.conf", "local");
  EXPECT_THAT(visited(), ElementsAre("/etc/sysctl.d/a.conf: ours", "/run/sysctl.d/b.conf: run"));
}

TEST_F(SysctlFiles, DevNullSwitchesOneOff) {
  write("/usr/lib/sysctl.d/a.conf", "the package's");
  fs::create_symlink("/dev/null", at("/etc/sysctl.d/a.conf"));
  EXPECT_THAT(visited(), IsEmpty());
}

TEST_F(SysctlFiles, OnlyConf) {
  write("/etc/sysctl.d/README.sysctl", "x");
  write("/etc/sysctl.d/a.conf.dpkg-old", "x");
  write("/etc/sysctl.d/.conf", "x");
  EXPECT_THAT(visited(), IsEmpty());
}

TEST_F(SysctlFiles, AFileUnderSeveralNamesComesOnce) {
  write("/etc/sysctl.conf", "old");
  at("/etc/sysctl.d/x");
  fs::create_symlink("../sysctl.conf", at("/etc/sysctl.d/99-sysctl.conf"));
  EXPECT_THAT(visited(), ElementsAre("/etc/sysctl.conf: old")) << "as Debian has it";
}

TEST_F(SysctlFiles, OnlyRegularOnes) {
  at("/etc/sysctl.d/x");
  ASSERT_EQ(::mkfifo((root_ + "/etc/sysctl.d/fifo.conf").c_str(), 0600), 0);
  fs::create_directory(root_ + "/etc/sysctl.d/directory.conf");
  fs::create_symlink("/dev/zero", root_ + "/etc/sysctl.d/zero.conf");
  fs::create_symlink("/nowhere", root_ + "/etc/sysctl.d/dangling.conf");
  fs::create_symlink("loop.conf", root_ + "/etc/sysctl.d/loop.conf");
  ::alarm(20);
  EXPECT_THAT(visited(), IsEmpty());
  ::alarm(0);
}

TEST_F(SysctlFiles, AHugeOneIsReadInPart) {
  write("/etc/sysctl.conf", std::string(kMostOfSysctlFile + 5, 'x'));
  ASSERT_EQ(visited().size(), 1U);
  EXPECT_EQ(visited()[0].size(), kMostOfSysctlFile + std::string("/etc/sysctl.conf: ").size());
}

TEST_F(SysctlFiles, ReportsUnreadableFiles) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  write("/etc/sysctl.conf", "secret");
  fs::permissions(root_ + "/etc/sysctl.conf", fs::perms::none);
  EXPECT_THAT(visited(), ElementsAre("/etc/sysctl.conf unreadable: Permission denied"));
}

TEST(Sysctls, OfOurOwnNamespace) {
  const std::string_view names[] = {"net.ipv4.tcp_fin_timeout", "net.core.somaxconn",
                                    "net.ipv4.no_such_sysctl"};
  const auto values = read_sysctls(names, {.inum = own_netns(), .path = {}}, nullptr);
  ASSERT_TRUE(values);
  for (const char* name : {"net.ipv4.tcp_fin_timeout", "net.core.somaxconn"}) {
    std::string path = "/proc/sys/" + std::string(name), text;
    for (char& c : path)
      if (c == '.') c = '/';
    std::ifstream(path) >> text;
    EXPECT_EQ(values->at(name), text);
  }
  EXPECT_EQ(values->count("net.ipv4.no_such_sysctl"), 0U);
}

TEST(Sysctls, OfNoNamespace) {
  const std::string_view names[] = {"net.core.somaxconn"};
  EXPECT_FALSE(read_sysctls(names, {.inum = 1, .path = "/nowhere"}, nullptr));
  EXPECT_FALSE(read_sysctls(names, {.inum = 1, .path = "/dev/null"}, nullptr));
  EXPECT_FALSE(read_sysctls(names, {.inum = 1, .path = "/proc/self/ns/net"}, nullptr))
      << "another one than was meant";
  EXPECT_FALSE(read_sysctls(names, {.inum = 1, .path = {}}, nullptr));
}

}  // namespace
}  // namespace tcpdwell
