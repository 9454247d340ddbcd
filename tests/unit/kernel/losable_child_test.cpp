// SPDX-License-Identifier: Apache-2.0
#include "kernel/losable_child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace tcpdwell {
namespace {

TEST(LosableChild, AnswersWithAByteAndADescriptor) {
  const auto got = ask_child([](int channel) {
    const int file = ::open("/dev/null", O_RDONLY);
    answer(channel, 'x', file);
  });
  ASSERT_TRUE(got);
  EXPECT_EQ(got->byte, 'x');
  EXPECT_TRUE(got->fd);
  EXPECT_NE(::fcntl(got->fd.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(LosableChild, MayHaveNothingToSay) {
  EXPECT_FALSE(ask_child([](int) {}));
  EXPECT_FALSE(ask_child([](int) { ::raise(SIGSEGV); }));
}

TEST(LosableChild, IsNotWaitedForWithoutEnd) {
  EXPECT_FALSE(ask_child([](int) {
    while (true) ::pause();
  }));
  ::alarm(60);
  while (::waitpid(-1, nullptr, 0) > 0) {
    // a killed child that got no CPU in time
  }
  ::alarm(0);
  EXPECT_EQ(errno, ECHILD);
}

TEST(LosableChild, HasNoneOfOurDescriptors) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const UniqueFd reader(pipe[0]), writer(pipe[1]);
  const auto got = ask_child([&](int channel) {
    answer(channel, ::fcntl(writer.get(), F_GETFD) < 0 && ::fcntl(STDOUT_FILENO, F_GETFD) < 0);
  });
  ASSERT_TRUE(got);
  EXPECT_EQ(got->byte, 1);
}

}  // namespace
}  // namespace tcpdwell
