// SPDX-License-Identifier: Apache-2.0
// Against this machine's cgroups where it has v2; the rest needs none.
#include "kernel/cgroups.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace tcpdwell {
namespace {

bool readable(int fd, int wait_ms) {
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&ready, 1, wait_ms) == 1;
}

std::uint64_t inode(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_ino;
}

// All answers to `count` questions, or what came within some seconds.
std::vector<CgroupName> answers_of(CgroupResolver& resolver, std::size_t count) {
  std::vector<CgroupName> all;
  while (all.size() < count && readable(resolver.fd(), 5000))
    for (CgroupName& name : resolver.take_answers()) all.push_back(std::move(name));
  return all;
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

TEST(CgroupResolver, WithoutCgroupsAnswersThatItDoesNotKnow) {
  CgroupResolver resolver("");
  resolver.ask({1, 2});
  const auto answers = answers_of(resolver, 2);
  ASSERT_EQ(answers.size(), 2U) << "who waits for an answer must get one";
  EXPECT_EQ(answers[0].id, 1U);
  EXPECT_EQ(answers[0].path, "");
  EXPECT_EQ(answers[1].id, 2U);
}

TEST(CgroupResolver, NothingAskedNothingAnswered) {
  CgroupResolver resolver("");
  resolver.ask({});
  EXPECT_FALSE(readable(resolver.fd(), 20));
  EXPECT_TRUE(resolver.take_answers().empty());
}

TEST(CgroupResolver, EveryQuestionGetsOneAnswerAndTheDescriptorIsQuietAgain) {
  CgroupResolver resolver("");
  constexpr std::size_t kRounds = 200;
  for (std::uint64_t i = 0; i < kRounds; ++i) resolver.ask({2 * i, 2 * i + 1});
  const auto answers = answers_of(resolver, 2 * kRounds);
  ASSERT_EQ(answers.size(), 2 * kRounds);
  for (std::uint64_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i].id, i);
  EXPECT_TRUE(resolver.take_answers().empty());
  EXPECT_FALSE(readable(resolver.fd(), 0));
}

TEST(CgroupResolver, CanEndWithQuestionsLeft) {
  for (int i = 0; i < 50; ++i) {
    CgroupResolver resolver("");
    resolver.ask(std::vector<std::uint64_t>(100, 7));
  }
}

// The signals that each of our threads but the calling one blocks, as bit masks.
std::vector<std::uint64_t> blocked_by_other_threads() {
  std::vector<std::uint64_t> masks;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::gettid())) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("SigBlk:")) masks.push_back(std::stoull(line.substr(7), nullptr, 16));
  }
  return masks;
}

TEST(CgroupResolver, ItsThreadTakesNoSignalsFromTheEventLoop) {
  sigset_t before, after;
  const std::size_t others = blocked_by_other_threads().size();  // a sanitizer may have its own
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  const CgroupResolver resolver("");
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  std::size_t deaf = 0;
  for (const std::uint64_t mask : blocked_by_other_threads())
    deaf += (mask >> (SIGINT - 1) & mask >> (SIGTERM - 1) & mask >> (SIGHUP - 1) & 1U);
  EXPECT_GE(deaf, 1U) << "of " << others + 1;
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    EXPECT_EQ(::sigismember(&before, number), ::sigismember(&after, number))
        << "the caller's own mask stays";
}

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
  CgroupResolver resolver(mount_);
  resolver.ask({id, inode(mount_)});
  const auto answers = answers_of(resolver, 2);
  EXPECT_EQ(::rmdir(directory.c_str()), 0);
  ASSERT_EQ(answers.size(), 2U);
  if (answers[1].path.empty()) GTEST_SKIP() << "open_by_handle_at() is not allowed here";
  EXPECT_EQ(answers[0].path, path);
  EXPECT_EQ(answers[1].path, "/");

  resolver.ask({id});
  const auto gone = answers_of(resolver, 1);
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].id, id);
  EXPECT_EQ(gone[0].path, "");
}

}  // namespace
}  // namespace tcpdwell
