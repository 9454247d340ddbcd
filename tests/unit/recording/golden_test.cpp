// SPDX-License-Identifier: Apache-2.0
// Recordings of real runs (tests/golden/make.py). A replay must print what the run printed, for as
// long as their format is supported.
#include <gtest/gtest.h>

#include <cstring>

#include "recording/format.h"
#include "support/recorded_run.h"

namespace tcpdwell::recorded {
namespace {

class RecordingGolden : public testing::TestWithParam<const char*> {};

TEST_P(RecordingGolden, ReplaysByteForByte) {
  const std::string name = std::string(TCPDWELL_SOURCE_DIR "/tests/golden/") + GetParam();
  // These are of version 1 and must stay readable. Give recordings of later versions other names.
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
