// SPDX-License-Identifier: Apache-2.0
// Against this machine's cgroups where it has v2; the rest needs none.
#include "kernel/cgroups.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>

namespace tcpdwell {
namespace {

std::uint64_t inode(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_ino;
}

// A cgroup tree is a tree of directories whose ids are inode numbers: any will do.
TEST(ListCgroups, NamesEveryDirectoryBelowTheRoot) {
  std::string root = (std::filesystem::temp_directory_path() / "cgroups_test.XXXXXX").string();
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  std::filesystem::create_directories(root + "/a/b");
  std::filesystem::create_directory(root + "/a b");
  std::filesystem::create_symlink(root, root + "/loop");
  ASSERT_EQ(::mknod((root + "/cgroup.procs").c_str(), S_IFREG | 0600, 0), 0);

  std::set<std::pair<std::uint64_t, std::string>> found, wanted;
  for (const CgroupName& name : list_cgroups(root)) found.emplace(name.id, name.path);
  for (const char* path : {"", "/a", "/a/b", "/a b"})
    wanted.emplace(inode(root + path), *path ? path : "/");
  std::erase_if(found, [](const auto& name) { return name.second == "/loop"; });
  EXPECT_EQ(found, wanted);
  std::filesystem::remove_all(root);
}

TEST(ListCgroups, OfNothingIsEmpty) {
  EXPECT_TRUE(list_cgroups("").empty());
  EXPECT_TRUE(list_cgroups("/nonexistent").empty());
}

TEST(CgroupNames, WithoutCgroupsKnowsNone) { EXPECT_EQ(CgroupNames("").path_of(1), ""); }

class OnCgroup2 : public testing::Test {
 protected:
  void SetUp() override {
    if (mount_.empty()) GTEST_SKIP() << "cgroup v2 is not mounted here";
  }
  std::string mount_ = find_cgroup2_mount();
};

TEST_F(OnCgroup2, TheRootIsListed) {
  const auto names = list_cgroups(mount_);
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names[0].path, "/");
  EXPECT_EQ(names[0].id, inode(mount_));
}

TEST_F(OnCgroup2, AnIdBecomesItsPathAndOneThatIsGoneAnEmptyOne) {
  if (::geteuid() != 0) GTEST_SKIP() << "open_by_handle_at() needs CAP_DAC_READ_SEARCH";
  std::string directory = mount_ + "/cgroups_test.XXXXXX";
  if (!::mkdtemp(directory.data())) GTEST_SKIP() << "no cgroup can be made here";
  const std::uint64_t id = inode(directory);
  const std::string path = directory.substr(mount_.size());
  const CgroupNames names(mount_);
  const std::string here = names.path_of(id), root = names.path_of(inode(mount_));
  EXPECT_EQ(::rmdir(directory.c_str()), 0);
  if (root.empty()) GTEST_SKIP() << "open_by_handle_at() is not allowed here";
  EXPECT_EQ(here, path);
  EXPECT_EQ(root, "/");
  EXPECT_EQ(names.path_of(id), "") << "it is gone";
}

}  // namespace
}  // namespace tcpdwell
