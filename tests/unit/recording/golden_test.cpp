// SPDX-License-Identifier: Apache-2.0
// Recordings of real runs, made once (tests/golden/make.py): what they replay to is what the run
// printed then, for as long as their format can be replayed.
#include <gtest/gtest.h>

#include <cstring>

#include "support/recorded_run.h"
#include "recording/format.h"

namespace tcpdwell::recorded {
namespace {

class RecordingGolden : public testing::TestWithParam<const char*> {};

TEST_P(RecordingGolden, ReplaysByteForByte) {
  const std::string name = std::string(TCPDWELL_SOURCE_DIR "/tests/golden/") + GetParam();
  // They show that version 1 stays readable: those of a later version get names of their own.
  const auto recorded = read_file(name + ".tdw");
  recording::FileHeader header;
  ASSERT_GE(recorded.size(), sizeof header);
  std::memcpy(&header, recorded.data(), sizeof header);
  EXPECT_EQ(header.version, 1U);
  EXPECT_EQ(header.wire_version, 1U);
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
