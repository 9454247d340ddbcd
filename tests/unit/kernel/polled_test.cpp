// SPDX-License-Identifier: Apache-2.0
// Which processes wait for a socket by epoll.
#include "kernel/polled.h"

#include <gmock/gmock.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kWatched =
    "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t1057\n"
    "tfd:        6 events:       19 data:     7f0000000006  pos:0 ino:1c4 sdev:8\n"
    "tfd:        7 events: 80000019 data:     7f0000000007  pos:0 ino:ab12 sdev:8\n";

TEST(Polled, SocketsAreComparedByTheirInode) {
  EXPECT_TRUE(is_watched(kWatched, "socket:[452]")) << "hexadecimal in the text";
  EXPECT_TRUE(is_watched(kWatched, "socket:[43794]"));
  EXPECT_FALSE(is_watched(kWatched, "socket:[45]"));
  EXPECT_FALSE(is_watched(kWatched, "socket:[1057]")) << "the inode of the epoll instance";
  EXPECT_FALSE(is_watched(kWatched, "pipe:[452]"));
  EXPECT_FALSE(is_watched(kWatched, "socket:["));
  EXPECT_FALSE(is_watched("tfd: 6 ino:", "socket:[0]"));
}

TEST(Polled, ByOnesOwnEpollInstance) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd instance(::epoll_create1(EPOLL_CLOEXEC));
  const auto own = static_cast<std::uint32_t>(::getpid());
  const std::vector<Holder> holders{{.process = {.pid = own}, .fd = listener.get()}};
  EXPECT_THAT(polled_by(holders), IsEmpty());
  epoll_event event{.events = EPOLLIN, .data = {}};
  ASSERT_EQ(::epoll_ctl(instance.get(), EPOLL_CTL_ADD, listener.get(), &event), 0);
  EXPECT_THAT(polled_by(holders), ElementsAre(own));
}

}  // namespace
}  // namespace tcpdwell
