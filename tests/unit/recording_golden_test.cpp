// SPDX-License-Identifier: Apache-2.0
// Recordings of real runs, made once (tests/golden/make.py): what they replay to is what the run
// printed then, for as long as their format can be replayed.
#include <gtest/gtest.h>

#include "recorded_run.h"

namespace tcpdwell::recorded {
namespace {

class RecordingGolden : public testing::TestWithParam<const char*> {};

TEST_P(RecordingGolden, ReplaysByteForByte) {
  const std::string name = std::string(TCPDWELL_SOURCE_DIR "/tests/golden/") + GetParam();
  const auto printed = read_file(name + ".ndjson");
  ASSERT_FALSE(printed.empty());
  const Replay again = replay({name + ".tdw"});
  ASSERT_EQ(again.error, "");
  const std::string_view expected(reinterpret_cast<const char*>(printed.data()), printed.size());
  EXPECT_EQ(again.text, expected);
}

INSTANTIATE_TEST_SUITE_P(All, RecordingGolden, testing::Values("lives", "leak"));

}  // namespace
}  // namespace tcpdwell::recorded
