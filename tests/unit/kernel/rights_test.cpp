// SPDX-License-Identifier: Apache-2.0
#include "kernel/rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include <thread>

namespace tcpdwell {
namespace {

using testing::HasSubstr;

Capabilities of(std::initializer_list<std::size_t> all) {
  Capabilities set;
  for (const std::size_t capability : all) set.set(capability);
  return set;
}

TEST(Rights, TracingNeedsTwoOrOne) {
  EXPECT_FALSE(why_not_trace(of({CAP_BPF, CAP_PERFMON})));
  EXPECT_FALSE(why_not_trace(of({CAP_SYS_ADMIN})));
}

TEST(Rights, TheOneThatIsMissingIsNamed) {
  const auto text = [](const Capabilities& have) { return why_not_trace(have)->text(); };
  EXPECT_THAT(text(of({CAP_BPF})), HasSubstr("; CAP_PERFMON is missing"));
  EXPECT_THAT(text(of({CAP_PERFMON})), HasSubstr("; CAP_BPF is missing"));
  EXPECT_THAT(text({}), HasSubstr("; both are missing"));
}

TEST(Rights, KeepsOnlyNeededCapabilities) {
  const Capabilities least = of({CAP_DAC_READ_SEARCH});
  const Capabilities enter = of({CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN});
  EXPECT_EQ(needed_for({.other_namespaces = false}), least);
  EXPECT_EQ(needed_for({}), least | enter);
  EXPECT_EQ(needed_for({.opens_files = true}), least | enter | of({CAP_DAC_OVERRIDE}));
  EXPECT_EQ(needed_for({.signals_command = true}), least | enter | of({CAP_KILL}));
  EXPECT_EQ(needed_for({.other_namespaces = false, .calls_bpf = true}), least | of({CAP_BPF}));
}

TEST(Rights, ReportsEachLimitationInOneLine) {
  const Capabilities all = ~Capabilities{};
  EXPECT_TRUE(missing_rights(all, {}).empty());
  EXPECT_TRUE(missing_rights({}, {.other_namespaces = false}).empty());
  const auto some = missing_rights(all & ~of({CAP_SYS_PTRACE}), {});
  ASSERT_EQ(some.size(), 1U);
  EXPECT_THAT(some[0].text(), HasSubstr("CAP_SYS_PTRACE is missing: not every other network"));
  const auto most = missing_rights(of({CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN}), {});
  ASSERT_EQ(most.size(), 1U);
  EXPECT_THAT(most[0].text(),
              HasSubstr("CAP_SYS_ADMIN, CAP_SYS_PTRACE are missing: no other network"));
}

// Capabilities are a thread's own: each of these has one that ends with it.
TEST(Rights, KeepOnlyDropsTheRest) {
  std::thread([] {
    const Capabilities before = effective_capabilities();
    const Capabilities kept = of({CAP_SYS_ADMIN, CAP_KILL});
    ASSERT_FALSE(keep_only(kept));
    EXPECT_EQ(effective_capabilities(), before & kept);
    ASSERT_FALSE(keep_only(~Capabilities{}));
    EXPECT_EQ(effective_capabilities(), before & kept) << "they came back";
  }).join();
}

TEST(Rights, WithoutIsForAWhile) {
  std::thread([] {
    const Capabilities before = effective_capabilities();
    {
      const Without without(bpf_capabilities());
      EXPECT_TRUE((effective_capabilities() & bpf_capabilities()).none());
    }
    EXPECT_EQ(effective_capabilities(), before);
  }).join();
}

}  // namespace
}  // namespace tcpdwell
