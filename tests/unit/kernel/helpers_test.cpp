// SPDX-License-Identifier: Apache-2.0
// The helpers that the BPF programs call: those of Linux 5.15, and those whose presence is checked.
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <memory>
#include <set>
#include <span>
#include <string>

#include "skel/stacks.skel.h"
#include "skel/symbols.skel.h"
#include "skel/tcpdwell.skel.h"
#include "skel/tcpdwell_probed.skel.h"
#include "skel/where.skel.h"

namespace tcpdwell::test {
namespace {

// include/uapi/linux/bpf.h numbers helpers in the order of their introduction.
constexpr int kLastOfOldest = BPF_FUNC_task_pt_regs;
// Called where the kernel has it (bpf_core_enum_value_exists()).
const std::set<int> kChecked = {BPF_FUNC_loop};

template <typename Skeleton>
std::set<int> helpers_called_by() {
  std::size_t size = 0;
  const void* elf = Skeleton::elf_bytes(&size);
  const std::unique_ptr<bpf_object, decltype(&bpf_object__close)> object(
      bpf_object__open_mem(elf, size, nullptr), &bpf_object__close);
  std::set<int> called;
  if (!object) return called;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) {
    const std::span code(bpf_program__insns(program), bpf_program__insn_cnt(program));
    for (const bpf_insn& insn : code)
      if (insn.code == (BPF_JMP | BPF_CALL) && insn.src_reg == 0) called.insert(insn.imm);
  }
  return called;
}

template <typename Skeleton>
class Helpers : public testing::Test {};
using Objects =
    testing::Types<tcpdwell_bpf, tcpdwell_probed_bpf, stacks_bpf, where_bpf, symbols_bpf>;
TYPED_TEST_SUITE(Helpers, Objects);

TYPED_TEST(Helpers, AreThoseOf5_15OrChecked) {
  const std::set<int> called = helpers_called_by<TypeParam>();
  EXPECT_FALSE(called.empty());
  for (const int helper : called)
    EXPECT_TRUE(helper <= kLastOfOldest || kChecked.contains(helper)) << "helper " << helper;
}

}  // namespace
}  // namespace tcpdwell::test
