// SPDX-License-Identifier: Apache-2.0
// Unwinds the test's own stack: ProcessView reads this very process.
#include "where/unwinder.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace tcpdwell {
namespace {

#if defined(__x86_64__)

struct Snapshot {
  Registers registers;
  StackPiece stack;
};

std::uint64_t end_of_stack() {
  pthread_attr_t attributes;
  void* begin = nullptr;
  std::size_t size = 0;
  EXPECT_EQ(pthread_getattr_np(pthread_self(), &attributes), 0);
  EXPECT_EQ(pthread_attr_getstack(&attributes, &begin, &size), 0);
  pthread_attr_destroy(&attributes);
  return reinterpret_cast<std::uint64_t>(begin) + size;
}

// The registers of the caller of getcontext(), and `size` bytes of its stack.
[[gnu::noinline]] Snapshot take_snapshot(std::size_t size) {
  constexpr std::array kOrder = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                 REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                 REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
  ucontext_t context;
  getcontext(&context);
  Snapshot snapshot;
  for (unsigned i = 0; i < kOrder.size(); ++i)
    snapshot.registers.set(i, static_cast<std::uint64_t>(context.uc_mcontext.gregs[kOrder[i]]));
  snapshot.registers.pc = snapshot.registers.value[kReturnAddress];
  snapshot.stack.begin = snapshot.registers.stack_pointer();
  const std::uint64_t end = end_of_stack();
  snapshot.stack.bytes.resize(std::min<std::size_t>(size, end - snapshot.stack.begin));
  // By the kernel: to AddressSanitizer the frames of others are out of bounds.
  const iovec here{snapshot.stack.bytes.data(), snapshot.stack.bytes.size()};
  const iovec there{reinterpret_cast<void*>(snapshot.stack.begin), here.iov_len};
  EXPECT_EQ(process_vm_readv(getpid(), &here, 1, &there, 1, 0), static_cast<ssize_t>(here.iov_len));
  return snapshot;
}

int line_of_call = 0;

struct Pool {
  [[gnu::noinline]] static Snapshot checkout(std::size_t size) {
    line_of_call = __LINE__ + 1;
    Snapshot snapshot = take_snapshot(size);
    asm volatile("" ::: "memory");
    return snapshot;
  }
};

class UnwinderTest : public ::testing::Test {
 protected:
  static Stack names_of(const ProcessView& view, const Calls& calls) {
    Stack all;
    for (const std::uint64_t address : calls.addresses)
      for (Frame& frame : name_call(view, address)) all.push_back(std::move(frame));
    return all;
  }
  ModuleCache cache_{""};
  const ProcessView view_ = *ProcessView::open(static_cast<std::uint32_t>(::getpid()), cache_);
};

TEST_F(UnwinderTest, FindsTheFunctionAndTheLineOfACall) {
  const Snapshot snapshot = Pool::checkout(4096);
  const Calls calls = unwind(view_, snapshot.registers, snapshot.stack);
  const Stack frames = names_of(view_, calls);
  const auto caller = std::find_if(frames.begin(), frames.end(), [](const Frame& frame) {
    return frame.function.find("Pool::checkout") != std::string::npos;
  });
  ASSERT_NE(caller, frames.end());
  EXPECT_EQ(caller->kind, FrameKind::Native);
  EXPECT_GT(caller->offset, 0U);
  // A build without debug information has names, but no lines.
  if (caller->line != 0) {
    EXPECT_EQ(caller->line, static_cast<std::uint32_t>(line_of_call));
    EXPECT_TRUE(caller->file.ends_with("unwinder_test.cpp")) << caller->file;
  }
}

TEST_F(UnwinderTest, ReachesTheBeginOfTheProcessAndSaysSo) {
  const std::size_t whole = 32768;
  const Snapshot snapshot = Pool::checkout(whole);
  const Calls calls = unwind(view_, snapshot.registers, snapshot.stack);
  const Stack frames = names_of(view_, calls);
  const bool has_main = std::any_of(frames.begin(), frames.end(),
                                    [](const Frame& frame) { return frame.function == "main"; });
  EXPECT_EQ(has_main, !calls.truncated) << "whole exactly if it goes to main";
  EXPECT_TRUE(has_main);
}

TEST_F(UnwinderTest, SaysThatAShortPieceTruncatesTheStack) {
  const Snapshot snapshot = Pool::checkout(64);
  const Calls calls = unwind(view_, snapshot.registers, snapshot.stack);
  EXPECT_TRUE(calls.truncated);
  EXPECT_FALSE(calls.addresses.empty());
}

TEST_F(UnwinderTest, DoesNotFollowAProgramCounterThatIsNoCode) {
  Snapshot snapshot = Pool::checkout(4096);
  snapshot.registers.pc = snapshot.registers.stack_pointer();
  const Calls calls = unwind(view_, snapshot.registers, snapshot.stack);
  EXPECT_TRUE(calls.truncated);
  EXPECT_TRUE(calls.addresses.empty());
}

TEST_F(UnwinderTest, EndsForAnyContentsOfTheStack) {
  const Snapshot snapshot = Pool::checkout(4096);
  for (unsigned seed = 1; seed <= 200; ++seed) {
    Snapshot broken = snapshot;
    unsigned random = seed;
    for (std::size_t at = 0; at < broken.stack.bytes.size(); at += 8) {
      random = random * 1103515245U + 12345U;
      if (random >> 28U < 4)  // an address somewhere in our code
        std::memcpy(&broken.stack.bytes[at], &snapshot.registers.pc, 8);
      else if (random >> 28U < 8)
        broken.stack.bytes[at] = static_cast<std::byte>(random >> 16U);
    }
    const Calls calls = unwind(view_, broken.registers, broken.stack);
    EXPECT_LE(calls.addresses.size(), kMostFrames);
    names_of(view_, calls);
  }
}

#endif

}  // namespace
}  // namespace tcpdwell
