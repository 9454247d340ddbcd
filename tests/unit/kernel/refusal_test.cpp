// SPDX-License-Identifier: Apache-2.0
#include "kernel/refusal.h"

#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include <cerrno>
#include <cstdarg>
#include <string>

#include "kernel/libbpf_log.h"
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

void say(libbpf_print_fn_t print, const char* format, ...) {
  va_list args;
  va_start(args, format);
  print(LIBBPF_WARN, format, args);
  va_end(args);
}

// A kernel before 6.5 says how it came there, too, at any length, and all of it in one text.
TEST(Refusal, KeepsTheEndOfTheVerifierLog) {
  const LibbpfLog log;
  const libbpf_print_fn_t print = libbpf_set_print(nullptr);
  libbpf_set_print(print);
  std::string steps;
  for (int i = 0; i < 500; ++i) steps += "36: (b7) r3 = 0                       ; R3_w=0\n";
  for (int program = 0; program < 5; ++program)
    say(print, "libbpf: prog 'on_set_state': -- BEGIN PROG LOAD LOG --\n%s%s\n", steps.c_str(),
        "unknown func bpf_probe_read_kernel#113");
  EXPECT_THAT(why_refused(LibbpfLog::text(), {}), HasSubstr("lockdown=integrity"));
  EXPECT_EQ(LibbpfLog::text().size(), 64U * 1024);
}

TEST(Refusal, NamesTheCapabilityForModuleBtf) {
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
  if (here.least_program != 0 || !effective_capabilities()[CAP_SYS_ADMIN])
    GTEST_SKIP() << "no BPF here, or not the right to find out";
  EXPECT_THAT(here.lacks, testing::IsEmpty());
}

TEST(Refusal, NamesTheEnvironmentIfNothingLoads) {
  EXPECT_THAT(why_refused({}, {.least_program = EPERM, .user_namespace = true, .seccomp = true}),
              HasSubstr("user namespace"));
  for (const int refused : {EPERM, ENOSYS})
    EXPECT_THAT(why_refused({}, {.least_program = refused, .seccomp = true}), HasSubstr("seccomp"));
  EXPECT_THAT(why_refused({}, {.least_program = ENOSYS}), HasSubstr("CONFIG_BPF_SYSCALL"));
  EXPECT_THAT(why_refused({}, {.least_program = EPERM}), HasSubstr("lockdown"));
}

TEST(Refusal, PointsToVerboseForUnknownErrors) {
  EXPECT_THAT(why_refused("R1 invalid mem access 'scalar'\n", {}), HasSubstr("--verbose"));
}

}  // namespace
}  // namespace tcpdwell
