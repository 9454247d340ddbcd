// SPDX-License-Identifier: Apache-2.0
// The setting of a run survives its recording, also what older versions did not have.
#include "recording/setting.h"

#include <gtest/gtest.h>

namespace tcpdwell::recording {
namespace {

Setting with(const Filter& filter) {
  Setting setting;
  setting.config.hz = 250;
  setting.filter = filter;
  return setting;
}

Filter recorded(const Filter& filter, std::size_t cut = 0) {
  std::vector<std::byte> bytes;
  pack(with(filter), bytes);
  bytes.resize(bytes.size() - cut);
  const auto setting = unpack_setting(bytes);
  EXPECT_TRUE(setting);
  return setting ? setting->filter : Filter{};
}

TEST(Setting, KeepsTheWholeFilter) {
  const Filter filter{.ports = {80, PortMatch(8000, 8099)},
                      .local_ports = {22},
                      .remote_ports = {PortMatch(1, 65535)},
                      .addrs = {*parse_cidr("10.0.0.0/8")},
                      .locals = {{.addr = parse_cidr("::1"), .port = PortMatch(80, 90)}},
                      .remotes = {{.addr = std::nullopt, .port = 443},
                                  {.addr = parse_cidr("10.0.0.1"), .port = std::nullopt}},
                      .family = Family::Ipv6,
                      .netns = 4026531840,
                      .pids = {42},
                      .comms = {"nginx", "php"},
                      .cgroup = "/web"};
  const Filter read = recorded(filter);
  EXPECT_TRUE(passes_all_of(filter, read) && passes_all_of(read, filter));
  EXPECT_EQ(read.ports, filter.ports);
  EXPECT_EQ(read.remotes, filter.remotes);
}

// The filter's later fields are the last ones: an older version wrote none of them.
TEST(Setting, OfAnOlderVersionHasSinglePorts) {
  constexpr std::size_t kLater = 6 * sizeof(std::uint16_t) + 2 * 2 * sizeof(std::uint16_t);
  const Filter filter{.ports = {80, 443}};
  EXPECT_EQ(recorded(filter, kLater).ports, filter.ports);
}

}  // namespace
}  // namespace tcpdwell::recording
