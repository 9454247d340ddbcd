// SPDX-License-Identifier: Apache-2.0
// What a static build knows of users: two files, read without the C library's modules.
#include "options/account_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace tcpdwell {
namespace {

using testing::ElementsAre;

class AccountFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "account_test.XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    write("passwd",
          "root:x:0:0:root:/root:/bin/bash\n"
          "a line that is none\n"
          "web:x:33:34:Web,,,:/var/www:\n"
          "+@everybody\n"
          "last:x:70000:70000::/home/last:/bin/zsh");  // and no end of line
    write("group",
          "root:x:0:\n"
          "logs:x:4:daemon,web\n"
          "web:x:34:web\n"  // the own one, not to be named twice
          "webmasters:x:35:webmaster\n"
          "ssl:x:110:web,last\n");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }
  AccountFiles files() const { return AccountFiles(path("passwd"), path("group")); }

  std::string directory_;
};

TEST_F(AccountFilesTest, FindsAUserByNameWithItsGroups) {
  const auto web = files().find("web");
  ASSERT_TRUE(web);
  EXPECT_EQ(web->uid, 33U);
  EXPECT_EQ(web->gid, 34U);
  EXPECT_EQ(web->home, "/var/www");
  EXPECT_EQ(web->shell, "/bin/sh") << "an empty shell means this one, passwd(5)";
  EXPECT_THAT(web->groups, ElementsAre(34, 4, 110)) << "webmasters only begins like it";
}

TEST_F(AccountFilesTest, FindsAUserByNumber) {
  const auto last = files().find(uid_t{70000});
  ASSERT_TRUE(last);
  EXPECT_EQ(last->name, "last");
  EXPECT_THAT(last->groups, ElementsAre(70000, 110));
}

TEST_F(AccountFilesTest, UnknownUserHasNoErrno) {
  errno = EBADF;
  EXPECT_FALSE(files().find("nobody-at-all"));
  EXPECT_EQ(errno, 0) << "this would be shown as why";
  EXPECT_FALSE(files().find(uid_t{35}));
  EXPECT_FALSE(files().find("+@everybody")) << "NIS is not asked";
}

TEST_F(AccountFilesTest, SaysWhyItCouldNotRead) {
  EXPECT_FALSE(AccountFiles(path("none"), path("group")).find("web"));
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(AccountFilesTest, WithoutAFileOfGroupsAUserIsInItsOwn) {
  const auto web = AccountFiles(path("passwd"), path("none")).find("web");
  ASSERT_TRUE(web);
  EXPECT_THAT(web->groups, ElementsAre(34));
}

}  // namespace
}  // namespace tcpdwell
