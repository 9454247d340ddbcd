// SPDX-License-Identifier: Apache-2.0
#include "kernel/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include <cerrno>

#include "kernel/rights.h"

namespace tcpdwell {
namespace {

using testing::HasSubstr;

TEST(Refusal, AMissingHelperIsCalledByItsName) {
  for (const char* log : {"5: (85) call bpf_get_socket_cookie#46\n"
                          "unknown func bpf_get_socket_cookie#46\n",
                          "program of this type cannot use helper bpf_get_socket_cookie#46\n"})
    EXPECT_EQ(why_refused(log, {}), "This kernel has no bpf_get_socket_cookie in tracing programs");
  EXPECT_THAT(why_refused("invalid func unknown#181\n", {}), HasSubstr("helper"));
}

TEST(Refusal, LockdownHidesTheHelpersThatRead) {
  EXPECT_THAT(why_refused("unknown func bpf_probe_read_kernel#113\n", {}),
              HasSubstr("lockdown=integrity"));
}

TEST(Refusal, WhoMayNotLookIntoTheModulesIsToldSo) {
  EXPECT_THAT(why_refused("libbpf: failed to iterate BTF objects: -1\n"
                          "libbpf: extern (func ksym) 'f': not found in kernel or module BTFs\n",
                          {}),
              HasSubstr("CAP_SYS_ADMIN"));
}

TEST(Refusal, AMissingTracepointIsCalledByItsName) {
  EXPECT_EQ(why_refused("libbpf: prog 'on_timer_start': failed to find kernel BTF type ID of "
                        "'timer_start': -3\n",
                        {}),
            "This kernel has no timer_start to attach to");
}

TEST(Refusal, WhatTheKernelsBpfLacksIsListed) {
  EXPECT_EQ(why_refused("libbpf: map 'events': failed to create\n",
                        {.lacks = {"ring buffer", "task storage"}}),
            "This kernel's BPF has no ring buffer, no task storage");
}

// On a kernel that traces, or where that may not be found out.
TEST(Refusal, ThisKernelLacksNothing) {
  const auto here = look_around();
  if (here.least_program != 0 || !effective_capabilities()[CAP_SYS_ADMIN]) GTEST_SKIP();
  EXPECT_THAT(here.lacks, testing::IsEmpty());
}

TEST(Refusal, WhereNothingMayBeLoadedThePlaceIsToBlame) {
  EXPECT_THAT(why_refused({}, {.least_program = EPERM, .user_namespace = true, .seccomp = true}),
              HasSubstr("user namespace"));
  for (const int refused : {EPERM, ENOSYS})
    EXPECT_THAT(why_refused({}, {.least_program = refused, .seccomp = true}), HasSubstr("seccomp"));
  EXPECT_THAT(why_refused({}, {.least_program = ENOSYS}), HasSubstr("CONFIG_BPF_SYSCALL"));
  EXPECT_THAT(why_refused({}, {.least_program = EPERM}), HasSubstr("lockdown"));
}

TEST(Refusal, WhatNobodyUnderstandsIsToBeSeen) {
  EXPECT_THAT(why_refused("R1 invalid mem access 'scalar'\n", {}), HasSubstr("--verbose"));
}

}  // namespace
}  // namespace tcpdwell
