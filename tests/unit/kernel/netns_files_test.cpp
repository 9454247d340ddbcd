// SPDX-License-Identifier: Apache-2.0
#include "kernel/netns_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace tcpdwell {
namespace {

ino_t inode_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? info.st_ino : 0;
}

ino_t own_inode() {
  struct stat info {};
  return ::stat("/proc/self/ns/net", &info) == 0 ? info.st_ino : 0;
}

std::uint32_t own_pid() { return static_cast<std::uint32_t>(::getpid()); }

TEST(NetnsFiles, OpenANamespaceByEveryWay) {
  const UniqueFd held(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(inode_of(open_netns_path("/proc/self/ns/net").get()), own_inode());
  EXPECT_EQ(inode_of(open_netns_of_thread(own_pid()).get()), own_inode());
  EXPECT_EQ(inode_of(open_netns_of_descriptor(own_pid(), held.get()).get()), own_inode());
}

TEST(NetnsFiles, RefuseWhatIsNoNetworkNamespace) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const UniqueFd reader(pipe[0]), writer(pipe[1]);
  const UniqueFd other(::open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
  const UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  for (const int fd : {reader.get(), other.get(), terminal.get(), 100000}) {
    EXPECT_FALSE(open_netns_of_descriptor(own_pid(), fd)) << fd;
    EXPECT_FALSE(open_netns_of_socket(own_pid(), fd)) << fd;
  }
  for (const char* path : {"/proc/self/ns/uts", "/dev/null", "/proc/self/fd/0", "/tmp"}) {
    EXPECT_FALSE(open_netns_path(path)) << path;
    EXPECT_EQ(errno, EINVAL) << path;
  }
}

// A file whose name looks like one's.
TEST(NetnsFiles, AreNotFooledByAName) {
  std::array<char, 32> directory = {"/tmp/netns-test-XXXXXX"};
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = std::string(directory.data()) + "/net:[4026531840]";
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_FALSE(open_netns_path(path));
  EXPECT_FALSE(open_netns_of_descriptor(own_pid(), file.get()));
  ::unlink(path.c_str());
  ::rmdir(directory.data());
}

TEST(NetnsFiles, FetchTheNamespaceOfASocket) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd netns = open_netns_of_socket(own_pid(), socket.get());
  if (::geteuid() != 0) GTEST_SKIP() << "needs CAP_NET_ADMIN";
  ASSERT_TRUE(netns);
  EXPECT_EQ(inode_of(netns.get()), own_inode());
}

TEST(NetnsFiles, OpenANamespaceByItsCookie) {
  if (!can_open_netns_by_cookie()) GTEST_SKIP() << "needs Linux 6.18";
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  ASSERT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size), 0);
  const auto inum = static_cast<std::uint32_t>(own_inode());
  EXPECT_EQ(inode_of(open_netns(cookie, inum).get()), own_inode());
  EXPECT_FALSE(open_netns(cookie + (1ULL << 40U), inum)) << "the number alone leads nowhere";
}

}  // namespace
}  // namespace tcpdwell
