// SPDX-License-Identifier: Apache-2.0
#include "model/stack.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

Frame frame(std::string function, std::string file, FrameKind kind, std::string module = {}) {
  return {.function = std::move(function),
          .file = std::move(file),
          .line = 1,
          .module = std::move(module),
          .kind = kind};
}

TEST(Stack, WithoutDirectoriesHasTheSameFramesOfTheProgram) {
  Stack stack{
      frame("recv", "../sysdeps/unix/recv.c", FrameKind::Native, "/home/eve/lib/libc.so.6"),
      frame("create_connection", "/home/eve/.pyenv/lib/python3.12/socket.py", FrameKind::Python),
      frame("checkout", "/home/eve/secret/pool.py", FrameKind::Python)};
  leave_out_directories(stack);
  EXPECT_EQ(stack[0].module, "libc.so.6");
  EXPECT_EQ(stack[1].file, "/lib/python3.12/socket.py");
  EXPECT_EQ(stack[2].file, "pool.py");
  const auto shown = shown_frames(stack);
  ASSERT_EQ(shown.size(), 1U);
  EXPECT_EQ(shown[0]->function, "checkout");
}

TEST(Stack, FramesOfRuntimesAreNoFramesOfTheProgram) {
  const auto library = [](std::string function, FrameKind kind, std::string module = {}) {
    return is_library(frame(std::move(function), "", kind, std::move(module)));
  };
  EXPECT_TRUE(
      library("void node::TCPWrap::Connect<sockaddr_in>()", FrameKind::Native, "/bin/node"));
  EXPECT_TRUE(library("Builtin:Call", FrameKind::Jit));
  EXPECT_TRUE(library("java.net.Socket.connect(int)", FrameKind::Jit));
  EXPECT_TRUE(library("", FrameKind::Jit));
  EXPECT_FALSE(library("javascript", FrameKind::Jit));
  EXPECT_FALSE(library("Leak$Pool.checkout(int)", FrameKind::Jit));
  EXPECT_FALSE(library("serve", FrameKind::Native, "/srv/nodes"));
}

TEST(Stack, OfALoopHasNoFrameOfTheProgramInsideIt) {
  const Frame run = frame("uv_run", "", FrameKind::Native, "/usr/lib/libuv.so.1");
  const Frame main = frame("main", "app.c", FrameKind::Native, "/srv/app");
  const Frame callback = frame("on_read", "app.c", FrameKind::Native, "/srv/app");
  EXPECT_TRUE(is_of_loop({run, main}));
  EXPECT_FALSE(is_of_loop({callback, run, main}));
  EXPECT_FALSE(is_of_loop({main}));
  EXPECT_FALSE(is_of_loop({}));
  EXPECT_EQ(shown_frames({callback, run, main}).size(), 1U);
}

}  // namespace
}  // namespace tcpdwell
