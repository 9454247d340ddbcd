// SPDX-License-Identifier: Apache-2.0
#include "kernel/addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include <array>

#include "kernel/rights.h"

namespace tcpdwell {
namespace {

using testing::ElementsAre;

const std::vector<Symbol> kFrames = {
    {"tcp_timewait_state_process", 0x100, 0x200},
    {"tcp_v4_rcv", 0x200, 0x300},
    {"__inet_check_established", 0x300, 0x400},
    {"tcp_abort", 0x400, 0x500},
    {"tcp_twsk_purge", 0x500, 0x600},
};
const std::vector<Symbol> kTimers = {{"tw_timer_handler", 0x1000, 0x1100},
                                     {"reqsk_timer_handler", 0x1100, 0x1200}};

std::vector<Symbol> operator+(std::vector<Symbol> left, const std::vector<Symbol>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// A host that shows what it was given, and how often it was asked.
struct Host {
  std::vector<Symbol> kallsyms, ksyms;
  TimerHandlers sockets;
  std::vector<std::string> asked;

  AddressSources sources() {
    return {.kallsyms =
                [this](auto) {
                  asked.emplace_back("kallsyms");
                  return kallsyms;
                },
            .ksyms =
                [this](auto) {
                  asked.emplace_back("ksyms");
                  return ksyms;
                },
            .sockets =
                [this] {
                  asked.emplace_back("sockets");
                  return sockets;
                }};
  }
  Result<Addresses> find() { return find_addresses(sources()); }
};

TEST(Addresses, KallsymsIsEnoughWhereItShowsThem) {
  Host host{.kallsyms = kTimers + kFrames};
  auto found = host.find();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->timewait_timer, 0x1000U);
  EXPECT_EQ(found->request_timer, 0x1100U);
  EXPECT_EQ(found->cancellers.size(), kFrames.size());
  EXPECT_THAT(host.asked, ElementsAre("kallsyms")) << "the others cost time";
}

TEST(Addresses, PrefetchedListIsReadOnce) {
  Host host{.kallsyms = kTimers + kFrames};
  const AddressSources ahead = read_ahead(host.sources());
  auto found = find_addresses(ahead);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->request_timer, 0x1100U);
  EXPECT_EQ(found->cancellers.size(), kFrames.size());
  EXPECT_TRUE(find_addresses(ahead));
  EXPECT_THAT(host.asked, ElementsAre("kallsyms"));

  Host hiding{.ksyms = kTimers + kFrames};
  EXPECT_TRUE(find_addresses(read_ahead(hiding.sources())));
  EXPECT_THAT(hiding.asked, ElementsAre("kallsyms", "ksyms"));
}

TEST(Addresses, IteratorShowsHiddenAddresses) {
  Host host{.ksyms = kTimers + kFrames};
  auto found = host.find();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->timewait_timer, 0x1000U);
  EXPECT_EQ(found->cancellers.size(), kFrames.size());
  EXPECT_THAT(host.asked, ElementsAre("kallsyms", "ksyms"));
}

TEST(Addresses, SocketsOfOurOwnShowTheTimersAndNoMore) {
  Host host{.sockets = {.timewait = 0x1000, .request = 0x1100}};
  auto found = host.find();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->timewait_timer, 0x1000U);
  EXPECT_EQ(found->request_timer, 0x1100U);
  EXPECT_TRUE(found->cancellers.empty());
}

TEST(Addresses, ATimerThatHasNoSymbolIsFoundInASocket) {
  Host host{.kallsyms = {kTimers[0]}, .sockets = {.timewait = 0xbad, .request = 0x1100}};
  host.kallsyms = host.kallsyms + kFrames;
  auto found = host.find();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->timewait_timer, 0x1000U);
  EXPECT_EQ(found->request_timer, 0x1100U);
  EXPECT_EQ(found->cancellers.size(), kFrames.size());
  EXPECT_THAT(host.asked, ElementsAre("kallsyms", "sockets")) << "iter/ksym has the same list";
}

TEST(Addresses, NoneIsAnError) {
  for (const TimerHandlers sockets : {TimerHandlers{}, TimerHandlers{.timewait = 0x1000}}) {
    Host host{.sockets = sockets};
    auto found = host.find();
    ASSERT_FALSE(found) << "a filter on address 0 would match nothing without a word";
    EXPECT_THAT(found.error().text(), testing::HasSubstr("timer_handler"));
    EXPECT_THAT(found.error().text(), testing::HasSubstr("CAP_SYSLOG"));
  }
}

TEST(Addresses, AmbiguousFunctionDropsAllCancellers) {
  for (std::size_t missing = 0; missing < kFrames.size(); ++missing) {
    auto frames = kFrames;
    frames.erase(frames.begin() + static_cast<std::ptrdiff_t>(missing));
    Host host{.kallsyms = kTimers + frames};
    auto found = host.find();
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->cancellers.empty())
        << kFrames[missing].name << ": whoever called it would be taken for it";
  }
}

// What this kernel says, one way and another.
class ThisKernel : public testing::Test {
 protected:
  void SetUp() override {
    const auto rights = effective_capabilities();
    if (!rights[CAP_SYS_ADMIN] || !rights[CAP_NET_ADMIN]) GTEST_SKIP() << "needs root";
    symbols_ = address_sources().kallsyms(kNames);
    if (symbols_.size() != kNames.size()) GTEST_SKIP() << "/proc/kallsyms shows no addresses";
  }
  static constexpr std::array<std::string_view, 2> kNames = {"tw_timer_handler",
                                                             "reqsk_timer_handler"};
  std::vector<Symbol> symbols_;
};

TEST_F(ThisKernel, ShowsTheSameInTheIterator) {
  const auto listed = address_sources().ksyms(kNames);
  if (listed.empty()) GTEST_SKIP() << "there is no iter/ksym";
  ASSERT_EQ(listed.size(), symbols_.size());
  for (std::size_t i = 0; i < listed.size(); ++i) {
    EXPECT_EQ(listed[i].begin, symbols_[i].begin);
    EXPECT_EQ(listed[i].end, symbols_[i].end);
  }
}

TEST_F(ThisKernel, ShowsTheSameInSocketsOfOurOwn) {
  const TimerHandlers found = address_sources().sockets();
  for (const Symbol& symbol : symbols_)
    EXPECT_EQ(symbol.begin, symbol.name == kNames[0] ? found.timewait : found.request)
        << symbol.name;
}

}  // namespace
}  // namespace tcpdwell
