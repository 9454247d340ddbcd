// SPDX-License-Identifier: Apache-2.0
// With --where, a group is of one place in the program.
#include <gtest/gtest.h>

#include "leaks/leak_groups.h"
#include "support/flags.h"

namespace tcpdwell {
namespace {

using namespace samples;

std::shared_ptr<const Stack> stack_at(std::uint32_t line, std::uint32_t library_line = 1) {
  return std::make_shared<const Stack>(Stack{{.function = "create_connection",
                                              .file = "/usr/lib/python3.11/socket.py",
                                              .line = library_line,
                                              .module = {},
                                              .kind = FrameKind::Python},
                                             {.function = "Pool.checkout",
                                              .file = "/srv/svc.py",
                                              .line = 5,
                                              .module = {},
                                              .kind = FrameKind::Python},
                                             {.function = "handler",
                                              .file = "/srv/svc.py",
                                              .line = line,
                                              .module = {},
                                              .kind = FrameKind::Python}});
}

TEST(LeakPlaces, SocketsOfOnePoolAreGroupedByItsCallers) {
  std::vector<FlagRecord> flags;
  for (std::uint16_t port = 50000; port < 50021; ++port) {
    flags.push_back(stuck_server(Cause::EofRead, port));
    flags.back().opened.stack = stack_at(10 + port % 7U);
  }
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 7U);
  for (const LeakGroup& group : groups) {
    EXPECT_EQ(group.count, 3U);
    ASSERT_NE(group.opened, nullptr);
    EXPECT_EQ(group.eof_read, nullptr);
  }
}

TEST(LeakPlaces, FramesOfLibrariesDoNotMatter) {
  std::vector<FlagRecord> flags = {stuck_server(Cause::EofRead, 50000),
                                   stuck_server(Cause::EofRead, 50001)};
  flags[0].eof_read.stack = stack_at(9, 1);
  flags[1].eof_read.stack = stack_at(9, 2);
  EXPECT_EQ(group_leaks(flags).size(), 1U);
  flags[1].eof_read.stack = stack_at(10, 1);
  EXPECT_EQ(group_leaks(flags).size(), 2U);
  flags[1].eof_read.stack = nullptr;
  EXPECT_EQ(group_leaks(flags).size(), 2U) << "its place is not known";
}

}  // namespace
}  // namespace tcpdwell
