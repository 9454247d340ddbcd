// SPDX-License-Identifier: Apache-2.0
#include "where/perf_map.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

std::string place_text(const std::optional<SourcePlace>& place) {
  if (!place) return "none";
  return place->function + " " + place->file + ":" + std::to_string(place->line);
}

TEST(PerfMap, FindsTheFunctionOfAnAddress) {
  const PerfMap map(
      "7f04a4052280 378 JS:~leak /srv/app.js:4:14\n"
      "0x00007f04a5000000 0x0000000000000100 void Pool.checkout(java.lang.String, int)\n");
  EXPECT_EQ(place_text(map.find(0x7f04a4052280)), "leak /srv/app.js:4");
  EXPECT_EQ(place_text(map.find(0x7f04a4052280 + 0x377)), "leak /srv/app.js:4");
  EXPECT_EQ(place_text(map.find(0x7f04a4052280 + 0x378)), "none");
  EXPECT_EQ(place_text(map.find(0x7f04a405227f)), "none");
  EXPECT_EQ(place_text(map.find(0x7f04a5000010)), "Pool.checkout(java.lang.String, int) :0");
  EXPECT_FALSE(map.is_of_v8());
}

TEST(PerfMap, OfTwoFunctionsAtOneAddressTheLaterOneCounts) {
  const PerfMap map("1000 100 old\n1010 20 new\n2000 10 Builtin:Call\n");
  EXPECT_EQ(place_text(map.find(0x1010)), "new :0");
  EXPECT_EQ(place_text(map.find(0x1000)), "old :0");
  EXPECT_TRUE(map.is_of_v8());
}

TEST(PerfMap, SkipsDamagedLines) {
  const PerfMap map(
      "\n1000\n1000 \n1000 zz name\nx 10 name\n1000 0 empty\n1000 100000000000 huge\n"
      "ffffffffffffffff 10 last\n1000 10 ");
  EXPECT_EQ(place_text(map.find(0x1000)), " :0");
  EXPECT_EQ(place_text(map.find(0)), "none") << "no wrap at the end of the address space";
  EXPECT_EQ(place_text(PerfMap("").find(0)), "none");
}

TEST(JitPlace, TakesNamesOfScriptsApart) {
  EXPECT_EQ(place_text(jit_place("JS:*Socket.connect node:net:1202:36")),
            "Socket.connect node:net:1202");
  EXPECT_EQ(place_text(jit_place("JS:~get stack /srv/my app.js:7:1")),
            "get stack /srv/my app.js:7");
  EXPECT_EQ(place_text(jit_place("JS:~ /srv/app.js:7:1")), "(anonymous) /srv/app.js:7");
  EXPECT_EQ(place_text(jit_place("JS:~x")), "JS:~x :0");
  EXPECT_EQ(place_text(jit_place("JS:~x a:99999999999:1")), "JS:~x a:99999999999:1 :0");
  EXPECT_EQ(place_text(jit_place("int a.B.c()")), "a.B.c() :0");
  EXPECT_EQ(place_text(jit_place("Interpreter")), "Interpreter :0");
  EXPECT_EQ(place_text(jit_place("StubRoutines (1)")), "StubRoutines (1) :0");
}

}  // namespace
}  // namespace tcpdwell
