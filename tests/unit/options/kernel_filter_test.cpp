// SPDX-License-Identifier: Apache-2.0
// A filter in the layout that the kernel side reads. It may let more pass than was asked for, since
// user space decides again, but never less.
#include "options/kernel_filter.h"

#include <gtest/gtest.h>

#include <cstring>

namespace tcpdwell {
namespace {

TEST(KernelFilter, WithoutOptionsIsAllZero) {
  const tcpdwell_filter filter = kernel_filter(Filter{});
  const tcpdwell_filter zero{};
  EXPECT_EQ(std::memcmp(&filter, &zero, sizeof filter), 0) << "zero is: any";
}

TEST(KernelFilter, FamilyAndNamespace) {
  EXPECT_EQ(kernel_filter(Filter{.family = Family::Ipv4}).family, TCPDWELL_FAMILY_IPV4);
  EXPECT_EQ(kernel_filter(Filter{.family = Family::Ipv6}).family, TCPDWELL_FAMILY_IPV6);
  EXPECT_EQ(kernel_filter(Filter{.netns = 4026531840}).netns_inum, 4026531840U);
}

TEST(KernelFilter, PortsKeepTheirLists) {
  const tcpdwell_filter filter = kernel_filter(
      Filter{.ports = {80, 65535}, .local_ports = {1}, .remote_ports = {443, 8443, 9443}});
  EXPECT_EQ(filter.ports, 2);
  EXPECT_EQ(filter.port[0], 80) << "host order";
  EXPECT_EQ(filter.port[1], 65535);
  EXPECT_EQ(filter.port[2], 0);
  EXPECT_EQ(filter.local_ports, 1);
  EXPECT_EQ(filter.local_port[0], 1);
  EXPECT_EQ(filter.remote_ports, 3);
  EXPECT_EQ(filter.remote_port[2], 9443);
}

TEST(KernelFilter, AddressesAreInNetworkOrderWithTheirMask) {
  Filter asked;
  asked.addrs = {*parse_cidr("10.1.2.3/9"), *parse_cidr("2001:db8::/32")};
  const tcpdwell_filter filter = kernel_filter(asked);
  ASSERT_EQ(filter.cidrs, 2);
  const unsigned char addr[] = {10, 0, 0, 0}, mask[] = {255, 128, 0, 0};
  EXPECT_EQ(std::memcmp(filter.cidr[0].addr, addr, 4), 0);
  EXPECT_EQ(std::memcmp(filter.cidr[0].mask, mask, 4), 0);
  EXPECT_EQ(filter.cidr[0].family, TCPDWELL_FAMILY_IPV4);
  const unsigned char rest[12] = {};
  EXPECT_EQ(std::memcmp(filter.cidr[0].mask + 4, rest, sizeof rest), 0)
      << "all 16 bytes are compared";
  EXPECT_EQ(filter.cidr[1].family, TCPDWELL_FAMILY_IPV6);
  EXPECT_EQ(filter.cidr[1].addr[0], 0x20);
  EXPECT_EQ(filter.cidr[1].mask[3], 0xff);
  EXPECT_EQ(filter.cidr[1].mask[4], 0);
  EXPECT_EQ(filter.cidr[2].family, 0);
}

TEST(KernelFilter, AFullListFits) {
  Filter asked;
  for (std::uint16_t i = 0; i < TCPDWELL_MAX_PORTS; ++i)
    asked.ports.push_back(static_cast<std::uint16_t>(i + 1));
  asked.addrs.assign(TCPDWELL_MAX_CIDRS, *parse_cidr("::1"));
  const tcpdwell_filter filter = kernel_filter(asked);
  EXPECT_EQ(filter.ports, TCPDWELL_MAX_PORTS);
  EXPECT_EQ(filter.port[TCPDWELL_MAX_PORTS - 1], TCPDWELL_MAX_PORTS);
  EXPECT_EQ(filter.cidrs, TCPDWELL_MAX_CIDRS);
  EXPECT_EQ(filter.cidr[TCPDWELL_MAX_CIDRS - 1].addr[15], 1);
}

TEST(KernelFilter, AListThatDoesNotFitIsLeftToUserSpace) {
  Filter asked;
  asked.ports.assign(TCPDWELL_MAX_PORTS + 1, 80);
  asked.local_ports = {22};
  asked.addrs.assign(TCPDWELL_MAX_CIDRS + 1, *parse_cidr("::1"));
  const tcpdwell_filter filter = kernel_filter(asked);
  EXPECT_EQ(filter.ports, 0) << "a part of a list would hide what was asked for";
  EXPECT_EQ(filter.cidrs, 0);
  EXPECT_EQ(filter.local_ports, 1) << "the others still save events";
}

TEST(KernelFilter, AShortRangeIsAListOfItsPorts) {
  const tcpdwell_filter filter = kernel_filter(
      Filter{.ports = {80, PortMatch(90, 92)}, .remote_ports = {PortMatch(65534, 65535)}});
  ASSERT_EQ(filter.ports, 4);
  EXPECT_EQ(filter.port[0], 80);
  EXPECT_EQ(filter.port[3], 92);
  EXPECT_EQ(filter.remote_ports, 2);
  EXPECT_EQ(filter.remote_port[1], 65535);
}

TEST(KernelFilter, ALongRangeIsLeftToUserSpace) {
  const tcpdwell_filter filter = kernel_filter(
      Filter{.ports = {80, PortMatch(1000, 1015)}, .local_ports = {PortMatch(1, 65535)}});
  EXPECT_EQ(filter.ports, 0) << "one more than fits";
  EXPECT_EQ(filter.port[0], 0);
  EXPECT_EQ(filter.local_ports, 0);
}

EndMatch end(const char* addr, std::optional<PortMatch> port) {
  return {.addr = addr == nullptr ? std::nullopt : parse_cidr(addr), .port = port};
}

TEST(KernelFilter, EndsBecomePortsOfTheirSideAndAddressesOfEither) {
  const tcpdwell_filter filter = kernel_filter(
      Filter{.locals = {end(nullptr, 80)}, .remotes = {end("10.0.0.1", 5432), end("::1", 6379)}});
  EXPECT_EQ(filter.local_ports, 1);
  EXPECT_EQ(filter.local_port[0], 80);
  EXPECT_EQ(filter.remote_ports, 2);
  EXPECT_EQ(filter.remote_port[1], 6379);
  EXPECT_EQ(filter.cidrs, 2);
}

TEST(KernelFilter, AnEndWithoutPortOrAddressPassesAny) {
  const tcpdwell_filter filter =
      kernel_filter(Filter{.remotes = {end("10.0.0.1", std::nullopt), end(nullptr, 80)}});
  EXPECT_EQ(filter.remote_ports, 0) << "the first end has any port";
  EXPECT_EQ(filter.cidrs, 0) << "the second has any address";
  const tcpdwell_filter both = kernel_filter(
      Filter{.local_ports = {22}, .addrs = {*parse_cidr("::2")}, .locals = {end("::1", 80)}});
  EXPECT_EQ(both.local_port[0], 22) << "each must pass: one of the lists is enough";
  EXPECT_EQ(both.cidr[0].addr[15], 2);
}

TEST(KernelFilter, OmitsUserSpaceFilters) {
  Filter asked{.pids = {42}, .comms = {"nginx"}, .cgroup = "/web"};
  asked.min_dwell = Nanos{5};
  asked.states.set(index(State::TimeWait));
  const tcpdwell_filter filter = kernel_filter(asked);
  const tcpdwell_filter zero{};
  EXPECT_EQ(std::memcmp(&filter, &zero, sizeof filter), 0);
}

}  // namespace
}  // namespace tcpdwell
