// SPDX-License-Identifier: Apache-2.0
// A record's line of JSON.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "sinks/ndjson_sink.h"

namespace tcpdwell::samples {

// Without its newline
inline std::string line_of(const Record& record) {
  JsonLine line;
  write_json(line, record);
  EXPECT_TRUE(line.text().ends_with('\n'));
  return std::string(line.text().substr(0, line.text().size() - 1));
}

}  // namespace tcpdwell::samples
