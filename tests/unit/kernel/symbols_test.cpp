// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbols.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <sstream>

namespace tcpdwell {
namespace {

std::vector<Symbol> find(const std::string& kallsyms,
                         std::initializer_list<std::string_view> names = {"tw_timer_handler"}) {
  const std::vector<std::string_view> wanted(names);
  std::istringstream list(kallsyms);
  return find_symbols(wanted, list);
}

TEST(Symbols, AFunctionEndsWhereTheNextOneBegins) {
  const auto found = find(
      "ffffffff82006000 T tcp_v4_rcv\n"
      "ffffffff82006070 t tw_timer_handler\n"
      "ffffffff820060b0 T inet_twsk_alloc\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "tw_timer_handler");
  EXPECT_EQ(found[0].begin, 0xffffffff82006070U);
  EXPECT_EQ(found[0].end, 0xffffffff820060b0U);
}

TEST(Symbols, TheFileNeedNotBeSorted) {
  const auto found = find(
      "2000 t tw_timer_handler\n"
      "9000 T z\n"
      "1000 T a\n"
      "2100 T next\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].end, 0x2100U);
}

TEST(Symbols, TwoNamesOfOneAddressAreNoEmptyRange) {
  const auto found = find(
      "1000 t tw_timer_handler\n"
      "1000 T alias\n"
      "1200 T next\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].end, 0x1200U);
}

TEST(Symbols, TheLastOneHasAnEndToo) {
  const auto found = find("1000 t tw_timer_handler\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_GT(found[0].end, found[0].begin);
}

TEST(Symbols, AHiddenAddressIsNone) {
  EXPECT_TRUE(find("0000000000000000 t tw_timer_handler\n"
                   "0000000000000000 T tcp_v4_rcv\n")
                  .empty())
      << "a filter on address 0 would match nothing without a word";
}

TEST(Symbols, ACompilersSuffixIsIgnored) {
  for (const char* suffix : {".cold", ".part.0", ".isra.0.cold"})
    EXPECT_TRUE(find("1000 t tw_timer_handler" + std::string(suffix) + "\n1100 T next\n").empty())
        << suffix << ": a piece does not begin where the function does";
  for (const char* suffix : {".llvm.1234567890", ".isra.0", ".constprop.0", ".isra.0.llvm.1"}) {
    const auto found = find("1000 t tw_timer_handler" + std::string(suffix) + "\n1100 T next\n");
    ASSERT_EQ(found.size(), 1U) << suffix;
    EXPECT_EQ(found[0].name, "tw_timer_handler") << "as it was asked for";
    EXPECT_EQ(found[0].begin, 0x1000U);
  }
}

TEST(Symbols, ALongerNameIsAnotherFunction) {
  EXPECT_TRUE(find("1000 t tw_timer_handler_foo\n"
                   "2000 t tw_timer_handle\n"
                   "3000 t __tw_timer_handler\n"
                   "4000 t tcp_abort_override\n",
                   {"tw_timer_handler", "tcp_abort"})
                  .empty());
}

TEST(Symbols, OfAModule) {
  const auto found = find(
      "1000 t tw_timer_handler\t[tcp_mod]\n"
      "1100 t other\t[tcp_mod]\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].begin, 0x1000U);
  EXPECT_EQ(found[0].end, 0x1100U);
}

TEST(Symbols, DataIsNoFunction) {
  EXPECT_TRUE(find("1000 d tw_timer_handler\n"
                   "2000 r tw_timer_handler\n"
                   "3000 A tw_timer_handler\n")
                  .empty());
}

TEST(Symbols, SeveralAtOnceAndWhatIsMissingIsLeftOut) {
  const auto found = find(
      "1000 T a\n"
      "2000 t b\n"
      "3000 T c\n",
      {"c", "nowhere", "a"});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].name, "a");
  EXPECT_EQ(found[1].name, "c");
}

TEST(Symbols, LinesThatAreNoneAreSkipped) {
  const auto found = find(
      "\n"
      "zzz\n"
      "1000\n"
      "1000 t\n"
      "1000 t \n"
      "not hex t tw_timer_handler\n"
      "ffffffffffffffffff t tw_timer_handler\n"
      "5000 t tw_timer_handler");  // no newline at the end
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].begin, 0x5000U);
}

TEST(Symbols, AFileThatIsNotThereHasNone) {
  const std::array<std::string_view, 1> names = {"tw_timer_handler"};
  std::ifstream file("/nonexistent");
  EXPECT_TRUE(find_symbols(names, file).empty());
}

}  // namespace
}  // namespace tcpdwell
