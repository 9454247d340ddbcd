// SPDX-License-Identifier: Apache-2.0
// --where and --symbols: of which commands, and what they mean.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using testing::HasSubstr;

TEST(WhereOptions, AreOffExceptForRun) {
  EXPECT_FALSE(options({}).where.on);
  EXPECT_FALSE(options({"leaks"}).where.on);
  EXPECT_TRUE(options({"run", "--", "true"}).where.on);
  EXPECT_FALSE(options({"run", "--where=no", "--", "true"}).where.on);
  EXPECT_TRUE(options({"run", "--symbols", "/d", "--", "true"}).where.on);
}

TEST(WhereOptions, BelongToTheDefaultCommandIfNoneIsNamed) {
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"--where"}, {"--lport", "443", "--where"}}) {
    EXPECT_TRUE(options(words).where.on);
    EXPECT_EQ(command_of(words), "trace");
  }
  EXPECT_TRUE(options({"--where=short"}).where.without_paths);
  EXPECT_EQ(options({"--where", "--symbols", "/d"}).where.symbols, "/d");
  EXPECT_EQ(command_of({"record", "-o", "f", "--where"}), "record");
  EXPECT_THAT(error({"stats", "--where"}), HasSubstr("--where"));
}

TEST(WhereOptions, RefuseOtherValues) {
  EXPECT_THAT(error({"leaks", "--where=all"}), HasSubstr("=short or =no, not all"));
  EXPECT_THAT(error({"run", "--where=all", "--", "true"}),
              HasSubstr("=short, =jit or =no, not all"));
  EXPECT_THAT(error({"leaks", "--where=jit"}), HasSubstr("run"));
  EXPECT_TRUE(options({"run", "--where=jit", "--", "true"}).where.jit);
  EXPECT_THAT(error({"leaks", "--symbols", "/d"}), HasSubstr("--where"));
  EXPECT_THAT(error({"run", "--where=no", "--symbols", "/d", "--", "true"}), HasSubstr("--where"));
}

}  // namespace
}  // namespace tcpdwell
