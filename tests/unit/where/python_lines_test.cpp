// SPDX-License-Identifier: Apache-2.0
// Tables of real code objects, with the lines that CPython's own co_lines() gives for them.
#include "where/python_lines.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace tcpdwell {
namespace {

std::vector<std::byte> from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

// def f(x):                 # line 1, CPython 3.11.2
//     a = (x +
//          1)
//     for i in range(3):
//         a += i
//
//     return a
const std::vector<std::byte> kEncoded = from_hex(
    "8000d8090ad8090af103010a0b8041e50d12903189588c58f00001050ff00001050f8801d808098851890688018801"
    "e0"
    "0b0c8048");

TEST(PythonLines, FindsTheLineOfEachInstruction) {
  EXPECT_EQ(python_line(kEncoded, 1, -2), 1U);  // the frame has not begun
  EXPECT_EQ(python_line(kEncoded, 1, 0), 1U);
  EXPECT_EQ(python_line(kEncoded, 1, 2), 2U);
  EXPECT_EQ(python_line(kEncoded, 1, 4), 3U);
  EXPECT_EQ(python_line(kEncoded, 1, 6), 2U) << "back to a line before";
  EXPECT_EQ(python_line(kEncoded, 1, 44), 4U);
  EXPECT_EQ(python_line(kEncoded, 1, 46), 5U);
  EXPECT_EQ(python_line(kEncoded, 1, 60), 7U);
  EXPECT_EQ(python_line(kEncoded, 101, 60), 107U);
}

TEST(PythonLines, HaveNoneBehindTheCode) { EXPECT_EQ(python_line(kEncoded, 1, 62), std::nullopt); }

TEST(PythonLines, HaveNoneForAnInstructionWithoutLine) {
  EXPECT_EQ(python_line(from_hex("f8"), 1, 0), std::nullopt);
}

TEST(PythonLines, EndForAnyTable) {
  EXPECT_EQ(python_line({}, 1, 0), std::nullopt);
  EXPECT_EQ(python_line(from_hex("00"), 1, 0), std::nullopt) << "no entry begins like this";
  EXPECT_EQ(python_line(from_hex("f0ffffffffffffffff"), 1, 0), std::nullopt);
  EXPECT_EQ(python_line(from_hex("e8"), 1, 0), std::nullopt) << "cut off";
  for (std::size_t size = 0; size < kEncoded.size(); ++size)
    for (int offset = 0; offset < 64; offset += 2)
      python_line(std::span(kEncoded).first(size), 1, offset);
}

}  // namespace
}  // namespace tcpdwell
