// SPDX-License-Identifier: Apache-2.0
#include "util/duration.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

TEST(ParseDuration, AcceptsDocumentedForms) {
  const std::pair<const char*, nanoseconds> cases[] = {
      {"250ms", 250ms},    {"30s", 30s},
      {"5m", 5min},        {"1h", 1h},
      {"2m30s", 150s},     {"1h2m3s4ms", 1h + 2min + 3s + 4ms},
      {"30", 30s},         {"0", 0s},
      {"0s", 0s},          {"007s", 7s},
      {"1h5ms", 1h + 5ms}, {"90s", 90s},
      {"120m", 2h},        {"9223372036s", 9223372036s},
      {"1d", 24h},         {"2d3h", 51h},
      {"10us", 10us},      {"1ms500us20ns", 1500020ns}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(parse_duration(text), wanted) << text;
}

TEST(ParseDuration, RejectsAnythingElse) {
  for (const std::string_view text :
       {"",     " ",   "s",   "ms",   "-1s",  "+1s",   "1.5s",  "1,5s", "5 s",       " 5s", "5s ",
        "1w",   "5S",  "5M",  "5sec", "1h30", "30s2m", "1s1s",  "2m2m", "1ms1s",     "1hh", "1h m",
        "0x10", "1e3", "inf", "nan",  "5 ",   "1m30 ", "10 10", "1s2",  "5\xce\xbcs"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << '"' << text << '"';
}

TEST(ParseDuration, RejectsOverflow) {
  for (const char* text : {"9223372037s", "18446744073709551616", "99999999999999999999h",
                           "2562048h", "153722867280m", "2562047h47m17s"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  EXPECT_TRUE(parse_duration("2562047h47m16s")) << "292 years";
}

TEST(FormatDuration, ChoosesUnit) {
  const std::pair<nanoseconds, const char*> cases[] = {
      {0ns, "0us"},           {999ns, "0us"},       {17us, "17us"},       {999us, "999us"},
      {1ms, "1.00ms"},        {1650us, "1.65ms"},   {41300us, "41.3ms"},  {100ms, "100ms"},
      {812ms, "812ms"},       {999ms, "999ms"},     {1s, "1.000s"},       {4507ms, "4.507s"},
      {61044ms, "61.044s"},   {99999ms, "99.999s"}, {100s, "1m40s"},      {123s, "2m03s"},
      {3599s, "59m59s"},      {1h, "1h00m"},        {2h + 3min, "2h03m"}, {24h, "1d00h"},
      {5 * 24h + 2h, "5d02h"}};
  for (const auto& [duration, wanted] : cases) EXPECT_EQ(format_duration(duration), wanted);
}

TEST(FormatDuration, AtMostSevenCharactersBelowThousandDays) {
  for (std::int64_t nanos = 1; nanos < 1000 * 86'400'000'000'000; nanos += nanos / 97 + 1)
    ASSERT_LE(format_duration(nanoseconds{nanos}).size(), 7U) << nanos;
  for (const nanoseconds edge : {9999us, 99999us, 999999us, 9999999us, 99999999us})
    for (const nanoseconds step : {-1ns, 0ns, 1ns, 999ns})
      EXPECT_LE(format_duration(edge + step).size(), 7U) << (edge + step).count();
}

// Durations are truncated: 999.9 us must not be printed as a millisecond.
TEST(FormatDuration, TruncatesAtUnitBoundaries) {
  EXPECT_EQ(format_duration(999'999ns), "999us");
  EXPECT_EQ(format_duration(999'999'999ns), "999ms");
  EXPECT_EQ(format_duration(99'999'999'999ns), "99.999s");
  EXPECT_EQ(format_duration(9'999'999ns), "9.99ms");
  EXPECT_EQ(format_duration(99'999'999ns), "99.9ms");
}

}  // namespace
}  // namespace tcpdwell
