// SPDX-License-Identifier: Apache-2.0
// The compiled BPF object: the barrier between a reservation and the look at the phase is one on
// every architecture (bpf/emit.bpf.h).
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace tcpdwell {
namespace {

// Atomic operations on 8 bytes of the stack, with or without the old value as a result.
int atomics_on_stack(bool fetch) {
  constexpr std::uint8_t kAtomic = 0xdb;  // BPF_STX | BPF_ATOMIC | BPF_DW
  constexpr std::int32_t kOr = 0x40, kFetch = 0x01;
  std::ifstream file(TCPDWELL_BPF_OBJECT, std::ios::binary);
  const std::string object{std::istreambuf_iterator<char>(file), {}};
  int count = 0;
  for (std::size_t at = 0; at + 8 <= object.size(); at += 8) {  // sections of code are aligned
    std::int32_t operation = 0;
    std::memcpy(&operation, object.data() + at + 4, sizeof operation);
    const bool to_stack = (static_cast<std::uint8_t>(object[at + 1]) & 0x0fU) == 10;
    if (static_cast<std::uint8_t>(object[at]) == kAtomic && to_stack &&
        operation == (fetch ? kOr | kFetch : kOr))
      ++count;
  }
  return count;
}

TEST(Barrier, FetchesTheOldValueElseArm64HasNone) {
  EXPECT_GT(atomics_on_stack(true), 10) << "one for each reservation";
  EXPECT_EQ(atomics_on_stack(false), 0);
}

}  // namespace
}  // namespace tcpdwell
