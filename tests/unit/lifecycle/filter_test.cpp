// SPDX-License-Identifier: Apache-2.0
// Filters: address blocks, and verdicts while flow or owner are only partly known. "complete" means
// that nothing more will become known.
#include "lifecycle/filter.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace tcpdwell {

void PrintTo(Verdict verdict, std::ostream* out) {
  *out << (verdict == Verdict::Show ? "Show" : verdict == Verdict::Hide ? "Hide" : "NotYet");
}

namespace {

constexpr bool kGrowing = false, kComplete = true;

// An endpoint of either family; port 0: not known yet.
Endpoint end(const char* address, std::uint16_t port) {
  Endpoint made;
  made.port = port;
  if (::inet_pton(AF_INET, address, made.addr.data()) != 1) {
    EXPECT_EQ(::inet_pton(AF_INET6, address, made.addr.data()), 1) << address;
  }
  return made;
}

Flow ipv4(const char* local, std::uint16_t lport, const char* remote, std::uint16_t rport) {
  return {.local = end(local, lport), .remote = end(remote, rport), .netns = 7};
}

Flow ipv6(const char* local, std::uint16_t lport, const char* remote, std::uint16_t rport) {
  Flow flow = ipv4(local, lport, remote, rport);
  flow.family = Family::Ipv6;
  return flow;
}

Cidr cidr(std::string_view text) {
  const auto parsed = parse_cidr(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Cidr{});
}

TEST(Cidr, AddressAloneIsABlockOfOne) {
  const Cidr one = cidr("10.0.0.1");
  EXPECT_EQ(one.family, Family::Ipv4);
  EXPECT_TRUE(one.contains(end("10.0.0.1", 80)));
  EXPECT_FALSE(one.contains(end("10.0.0.2", 80)));
  EXPECT_TRUE(cidr("::1").contains(end("::1", 0)));
  EXPECT_FALSE(cidr("::1").contains(end("::3", 0)));
}

TEST(Cidr, PrefixMayEndInsideAByte) {
  for (const auto& [text, inside, outside] :
       {std::tuple{"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"172.16.0.0/12", "172.31.255.255", "172.32.0.0"},
        {"192.0.2.128/25", "192.0.2.255", "192.0.2.127"},
        {"192.0.2.4/31", "192.0.2.5", "192.0.2.6"},
        {"128.0.0.0/1", "255.0.0.1", "127.255.255.255"},
        {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
        {"fe80::/10", "febf::1", "fec0::1"},
        {"2001:db8::/127", "2001:db8::1", "2001:db8::2"}}) {
    EXPECT_TRUE(cidr(text).contains(end(inside, 0))) << inside << " is in " << text;
    EXPECT_FALSE(cidr(text).contains(end(outside, 0))) << outside << " is not in " << text;
  }
}

TEST(Cidr, PrefixOfZeroMatchesItsFamily) {
  EXPECT_TRUE(cidr("0.0.0.0/0").contains(end("203.0.113.9", 0)));
  EXPECT_EQ(cidr("0.0.0.0/0").family, Family::Ipv4);
  EXPECT_EQ(cidr("::/0").family, Family::Ipv6);
}

TEST(Cidr, HostBitsAreCleared) {
  const Cidr block = cidr("10.1.2.3/8");
  EXPECT_EQ(block.addr[0], 10);
  EXPECT_EQ(block.addr[1], 0);
  EXPECT_EQ(block.addr[3], 0) << "the kernel side compares (addr & mask) with it";
  EXPECT_TRUE(block.contains(end("10.9.9.9", 0)));
}

TEST(Cidr, V4MappedIsIpv4) {
  const Cidr block = cidr("::ffff:10.0.0.0/104");
  EXPECT_EQ(block.family, Family::Ipv4);
  EXPECT_TRUE(block.contains(end("10.200.0.1", 0)));
  EXPECT_FALSE(block.contains(end("11.0.0.1", 0)));
  EXPECT_EQ(cidr("::ffff:10.0.0.1").family, Family::Ipv4);
  EXPECT_EQ(cidr("::ffff:0:0/96").mask, cidr("0.0.0.0/0").mask) << "all of IPv4";
  EXPECT_EQ(cidr("::ffff:0:0/95").family, Family::Ipv6) << "wider than the mapped block";
}

TEST(Cidr, InvalidBlockIsRefused) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {""sv,
                                      "/8"sv,
                                      "10.0.0.0/"sv,
                                      "10.0.0.0/33"sv,
                                      "::/129"sv,
                                      "10.0.0.0/-1"sv,
                                      "10.0.0.0/+8"sv,
                                      "10.0.0.0/8x"sv,
                                      "10.0.0.0/ 8"sv,
                                      "10.0.0.0/8/8"sv,
                                      "10.0.0.0/99999999999"sv,
                                      "10.0.0"sv,
                                      "10.0.0.256"sv,
                                      "010.0.0.1"sv,
                                      " 10.0.0.1"sv,
                                      "10.0.0.1 "sv,
                                      "localhost"sv,
                                      "fe80::1%eth0"sv,
                                      "[::1]"sv,
                                      "1:2:3"sv,
                                      ":::"sv,
                                      "10.0.0.0/255.0.0.0"sv,
                                      "10.0.0.1\0evil"sv})
    EXPECT_FALSE(parse_cidr(text)) << '"' << text << '"';
}

TEST(FilterFlow, WithoutOptionsEverythingPasses) {
  EXPECT_EQ(Filter{}.on_flow(Flow{}, kGrowing), Verdict::Show);
  EXPECT_EQ(Filter{}.on_owner(std::nullopt, std::nullopt, kGrowing), Verdict::Show);
}

TEST(FilterFlow, PortMatchesEitherSide) {
  const Filter filter{.ports = {80, 443}};
  EXPECT_EQ(filter.on_flow(ipv4("10.0.0.1", 80, "10.0.0.2", 5), kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_flow(ipv4("10.0.0.1", 5, "10.0.0.2", 443), kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_flow(ipv4("10.0.0.1", 5, "10.0.0.2", 6), kGrowing), Verdict::Hide);
}

TEST(FilterFlow, PortWaitsForTheLocalPort) {
  const Filter filter{.ports = {80}};
  const Flow early = ipv4("10.0.0.1", 0, "10.0.0.2", 6);
  EXPECT_EQ(filter.on_flow(early, kGrowing), Verdict::NotYet);
  EXPECT_EQ(filter.on_flow(early, kComplete), Verdict::Hide) << "the port stays unknown";
  EXPECT_EQ(filter.on_flow(ipv4("10.0.0.1", 0, "10.0.0.2", 80), kGrowing), Verdict::Show)
      << "one side is enough";
}

TEST(FilterFlow, LocalAndRemotePortMatchOneSide) {
  const Flow flow = ipv4("10.0.0.1", 80, "10.0.0.2", 5);
  EXPECT_EQ((Filter{.local_ports = {80}}).on_flow(flow, kGrowing), Verdict::Show);
  EXPECT_EQ((Filter{.local_ports = {5}}).on_flow(flow, kGrowing), Verdict::Hide);
  EXPECT_EQ((Filter{.remote_ports = {5}}).on_flow(flow, kGrowing), Verdict::Show);
  EXPECT_EQ((Filter{.remote_ports = {80}}).on_flow(flow, kGrowing), Verdict::Hide);

  const Flow unknown = ipv4("10.0.0.1", 0, "0.0.0.0", 0);
  EXPECT_EQ((Filter{.local_ports = {80}}).on_flow(unknown, kGrowing), Verdict::NotYet);
  EXPECT_EQ((Filter{.local_ports = {80}}).on_flow(unknown, kComplete), Verdict::Hide);
  EXPECT_EQ((Filter{.remote_ports = {5}}).on_flow(unknown, kGrowing), Verdict::NotYet);
  EXPECT_EQ((Filter{.remote_ports = {5}}).on_flow(unknown, kComplete), Verdict::Hide);
}

TEST(FilterFlow, AddressMatchesEitherSideInItsFamily) {
  const Filter filter{.addrs = {cidr("10.0.0.0/24"), cidr("2001:db8::/32")}};
  EXPECT_EQ(filter.on_flow(ipv4("10.0.0.1", 1, "9.9.9.9", 2), kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_flow(ipv4("9.9.9.9", 1, "10.0.0.9", 2), kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_flow(ipv6("::1", 1, "2001:db8::7", 2), kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_flow(ipv4("9.9.9.9", 1, "8.8.8.8", 2), kGrowing), Verdict::Hide);
  EXPECT_EQ((Filter{.addrs = {cidr("0.0.0.0/0")}}).on_flow(ipv6("::1", 1, "::2", 2), kComplete),
            Verdict::Hide)
      << "an IPv4 block contains no IPv6 address";
  EXPECT_EQ((Filter{.addrs = {cidr("10.0.0.0/8")}}).on_flow(ipv6("a00::1", 1, "::2", 2), kComplete),
            Verdict::Hide)
      << "the same bytes in the other family";
}

TEST(FilterFlow, AddressWaitsForTheLocalAddress) {
  const Filter filter{.addrs = {cidr("10.0.0.0/24")}};
  const Flow early = ipv4("0.0.0.0", 0, "9.9.9.9", 2);
  EXPECT_EQ(filter.on_flow(early, kGrowing), Verdict::NotYet);
  EXPECT_EQ(filter.on_flow(early, kComplete), Verdict::Hide);
  EXPECT_EQ(filter.on_flow(ipv4("0.0.0.0", 0, "10.0.0.9", 2), kGrowing), Verdict::Show);
}

TEST(FilterFlow, UnknownAddressIsInNoBlock) {
  for (const char* block : {"0.0.0.0", "0.0.0.0/1", "0.0.0.0/0"}) {
    const Filter filter{.addrs = {cidr(block)}};
    EXPECT_EQ(filter.on_flow(ipv4("0.0.0.0", 0, "0.0.0.0", 0), kGrowing), Verdict::NotYet) << block;
    EXPECT_EQ(filter.on_flow(ipv4("0.0.0.0", 80, "0.0.0.0", 0), kComplete), Verdict::Show)
        << "a listener on all addresses has this one: " << block;
  }
  const Filter low{.addrs = {cidr("0.0.0.0/1")}};
  EXPECT_EQ(low.on_flow(ipv4("0.0.0.0", 0, "192.168.1.9", 443), kGrowing), Verdict::NotYet);
  EXPECT_EQ(low.on_flow(ipv4("192.168.1.1", 1, "192.168.1.9", 443), kGrowing), Verdict::Hide);
}

TEST(FilterFlow, Ipv6SocketMayBecomeIpv4Mapped) {
  const Filter only4{.family = Family::Ipv4};
  const Flow before_connect = ipv6("::", 0, "::", 0);
  EXPECT_EQ(only4.on_flow(before_connect, kGrowing), Verdict::NotYet);
  EXPECT_EQ(only4.on_flow(before_connect, kComplete), Verdict::Hide);
  EXPECT_EQ(only4.on_flow(ipv6("::1", 1, "::2", 2), kGrowing), Verdict::Hide);
  EXPECT_EQ(only4.on_flow(ipv4("10.0.0.1", 1, "10.0.0.2", 2), kGrowing), Verdict::Show);
  const Filter only6{.family = Family::Ipv6};
  EXPECT_EQ(only6.on_flow(ipv4("10.0.0.1", 1, "10.0.0.2", 2), kGrowing), Verdict::Hide);
}

TEST(FilterFlow, NamespaceIsAlwaysKnown) {
  const Flow flow = ipv4("10.0.0.1", 1, "10.0.0.2", 2);  // netns 7
  EXPECT_EQ((Filter{.netns = 7}).on_flow(flow, kGrowing), Verdict::Show);
  EXPECT_EQ((Filter{.netns = 8}).on_flow(flow, kGrowing), Verdict::Hide);
}

TEST(FilterFlow, PortRange) {
  const Filter filter{.local_ports = {PortMatch(80, 90), 8080}};
  for (const std::uint16_t port : std::initializer_list<std::uint16_t>{80, 85, 90, 8080})
    EXPECT_EQ(filter.on_flow(ipv4("10.0.0.1", port, "10.0.0.2", 5), kGrowing), Verdict::Show);
  for (const std::uint16_t port : std::initializer_list<std::uint16_t>{79, 91, 8081})
    EXPECT_EQ(filter.on_flow(ipv4("10.0.0.1", port, "10.0.0.2", 85), kGrowing), Verdict::Hide);
  EXPECT_EQ(filter.on_flow(ipv4("10.0.0.1", 0, "10.0.0.2", 85), kGrowing), Verdict::NotYet);
  EXPECT_FALSE(PortMatch().contains(0)) << "a port that is not known is in no range";
}

EndMatch match(const char* addr, std::optional<PortMatch> port = std::nullopt) {
  return {.addr = addr == nullptr ? std::nullopt : std::optional(cidr(addr)), .port = port};
}

TEST(FilterFlow, LocalAndRemoteEndsMatchAddressAndPortOfOneSide) {
  const Flow four = ipv4("10.0.0.1", 80, "10.0.0.2", 5432);
  const Flow six = ipv6("2001:db8::1", 80, "2001:db8::2", 5432);
  const auto local = [](const EndMatch& end, const Flow& flow) {
    return Filter{.locals = {end}}.on_flow(flow, kComplete);
  };
  const auto remote = [](const EndMatch& end, const Flow& flow) {
    return Filter{.remotes = {end}}.on_flow(flow, kComplete);
  };
  EXPECT_EQ(local(match("10.0.0.1", 80), four), Verdict::Show);
  EXPECT_EQ(local(match("10.0.0.0/24", PortMatch(70, 90)), four), Verdict::Show);
  EXPECT_EQ(local(match("10.0.0.1", 81), four), Verdict::Hide);
  EXPECT_EQ(local(match("10.0.0.2", 80), four), Verdict::Hide) << "that address is the remote one";
  EXPECT_EQ(local(match(nullptr, 80), six), Verdict::Show);
  EXPECT_EQ(remote(match("10.0.0.2"), four), Verdict::Show);
  EXPECT_EQ(remote(match("10.0.0.1"), four), Verdict::Hide);
  EXPECT_EQ(remote(match("2001:db8::2", 5432), six), Verdict::Show);
  EXPECT_EQ(remote(match("2001:db8::2", 80), six), Verdict::Hide);
  EXPECT_EQ(remote(match("0.0.0.0/0"), six), Verdict::Hide) << "the other family";
  const Filter two{.remotes = {match("10.9.9.9", 1), match("10.0.0.2", 5432)}};
  EXPECT_EQ(two.on_flow(four, kGrowing), Verdict::Show) << "one of a list is enough";
}

TEST(FilterFlow, EndsWaitForWhatIsNotKnown) {
  const Filter local{.locals = {match("10.0.0.1", 80)}};
  EXPECT_EQ(local.on_flow(ipv4("10.0.0.1", 0, "9.9.9.9", 2), kGrowing), Verdict::NotYet);
  EXPECT_EQ(local.on_flow(ipv4("0.0.0.0", 80, "9.9.9.9", 2), kGrowing), Verdict::NotYet);
  EXPECT_EQ(local.on_flow(ipv4("0.0.0.0", 80, "9.9.9.9", 2), kComplete), Verdict::Hide);
  EXPECT_EQ(local.on_flow(ipv4("10.0.0.2", 80, "9.9.9.9", 2), kGrowing), Verdict::Hide);
  const Filter remote{.remotes = {match("10.0.0.0/8")}};
  EXPECT_EQ(remote.on_flow(ipv4("0.0.0.0", 0, "10.1.1.1", 2), kGrowing), Verdict::Show);
  EXPECT_EQ(remote.on_flow(ipv4("0.0.0.0", 0, "0.0.0.0", 0), kGrowing), Verdict::NotYet);
}

TEST(FilterFlow, AListenerHasNoRemoteEnd) {
  const Flow listener = ipv4("0.0.0.0", 80, "0.0.0.0", 0);
  EXPECT_EQ((Filter{.remotes = {match("0.0.0.0/0")}}).on_flow(listener, kComplete), Verdict::Hide);
  EXPECT_EQ((Filter{.locals = {match("0.0.0.0/0", 80)}}).on_flow(listener, kComplete),
            Verdict::Show);
}

TEST(FilterFlow, AllOptionsMustPass) {
  const Filter both{.local_ports = {80}, .addrs = {cidr("10.0.0.0/24")}};
  EXPECT_EQ(both.on_flow(ipv4("10.0.0.1", 80, "9.9.9.9", 2), kGrowing), Verdict::Show);
  EXPECT_EQ(both.on_flow(ipv4("10.0.0.1", 0, "9.9.9.9", 2), kGrowing), Verdict::NotYet)
      << "the address matches, the port is not known yet";
  EXPECT_EQ(both.on_flow(ipv4("8.8.8.8", 0, "9.9.9.9", 2), kGrowing), Verdict::Hide)
      << "the address does not match";
  EXPECT_EQ(both.on_flow(ipv4("10.0.0.1", 81, "0.0.0.0", 0), kGrowing), Verdict::Hide);
}

Owner owner_of(std::uint32_t pid) {
  Owner owner;
  owner.process.pid = pid;
  return owner;
}

TEST(FilterOwner, PidWaitsForTheOwner) {
  const Filter filter{.pids = {41, 42}};
  EXPECT_EQ(filter.on_owner(owner_of(42), std::nullopt, kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_owner(owner_of(43), std::nullopt, kGrowing), Verdict::Hide);
  EXPECT_EQ(filter.on_owner(std::nullopt, std::nullopt, kGrowing), Verdict::NotYet);
  EXPECT_EQ(filter.on_owner(std::nullopt, std::nullopt, kComplete), Verdict::Hide);
  EXPECT_EQ(filter.on_owner(owner_of(0), std::nullopt, kGrowing), Verdict::Hide)
      << "a process of another pid namespace never matches";
}

Owner owner_named(const char* comm) {
  Owner owner;
  std::strncpy(owner.process.comm.data(), comm, owner.process.comm.size());
  return owner;
}

TEST(FilterOwner, CommWaitsForTheOwner) {
  const Filter filter{.comms = {"nginx", "exactly-15-byte"}};
  EXPECT_EQ(filter.on_owner(owner_named("nginx"), std::nullopt, kGrowing), Verdict::Show)
      << "also of a process that is not visible, which has no pid";
  EXPECT_EQ(filter.on_owner(owner_named("exactly-15-byte"), {}, kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_owner(owner_named("nginx2"), std::nullopt, kGrowing), Verdict::Hide);
  EXPECT_EQ(filter.on_owner(owner_named(""), std::nullopt, kGrowing), Verdict::Hide);
  EXPECT_EQ(filter.on_owner(std::nullopt, std::nullopt, kGrowing), Verdict::NotYet);
  EXPECT_EQ(filter.on_owner(std::nullopt, std::nullopt, kComplete), Verdict::Hide);
}

TEST(FilterOwner, CgroupMatchesItselfAndDescendants) {
  const Filter filter{.cgroup = "/web"};
  const auto verdict = [&](const char* path) { return filter.on_owner({}, path, kGrowing); };
  EXPECT_EQ(verdict("/web"), Verdict::Show);
  EXPECT_EQ(verdict("/web/a/b"), Verdict::Show);
  EXPECT_EQ(verdict("/web2"), Verdict::Hide) << "a sibling with the same prefix";
  EXPECT_EQ(verdict("/we"), Verdict::Hide);
  EXPECT_EQ(verdict("/"), Verdict::Hide);
  EXPECT_EQ(verdict(""), Verdict::Hide) << "removed before its path was read";
  EXPECT_EQ(filter.on_owner({}, std::nullopt, kGrowing), Verdict::NotYet);
  EXPECT_EQ(filter.on_owner({}, std::nullopt, kComplete), Verdict::Hide);
}

TEST(FilterOwner, RootCgroupMatchesAll) {
  const Filter filter{.cgroup = "/"};
  EXPECT_EQ(filter.on_owner({}, "/", kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_owner({}, "/a/b", kGrowing), Verdict::Show);
}

TEST(FilterOwner, PidAndCgroupMustBothPass) {
  const Filter filter{.pids = {42}, .cgroup = "/web"};
  EXPECT_EQ(filter.on_owner(owner_of(42), "/web", kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_owner(owner_of(42), std::nullopt, kGrowing), Verdict::NotYet);
  EXPECT_EQ(filter.on_owner(std::nullopt, "/web", kGrowing), Verdict::NotYet);
  EXPECT_EQ(filter.on_owner(std::nullopt, "/db", kGrowing), Verdict::Hide);
  EXPECT_EQ(filter.on_owner(owner_of(1), std::nullopt, kGrowing), Verdict::Hide);
}

TEST(FilterFollowed, WaitsForAcceptByTheCommand) {
  Filter filter;
  filter.followed = true;
  EXPECT_EQ(filter.on_followed(true, kGrowing), Verdict::Show);
  EXPECT_EQ(filter.on_followed(false, kGrowing), Verdict::NotYet)
      << "the command may still accept it";
  EXPECT_EQ(filter.on_followed(true, kComplete), Verdict::Show);
  EXPECT_EQ(filter.on_followed(false, kComplete), Verdict::Hide);
}

TEST(FilterFollowed, WithoutACommandEverythingPasses) {
  for (const bool followed : {true, false})
    for (const bool complete : {kGrowing, kComplete})
      EXPECT_EQ(Filter{}.on_followed(followed, complete), Verdict::Show);
}

TEST(Filter, PartsSocketsOfAProcessUnlessItIsAboutProcesses) {
  Filter filter;
  filter.netns = 7;
  filter.pids = {1};
  filter.comms = {"haproxy"};
  filter.cgroup = "/a";
  EXPECT_FALSE(filter.may_part_sockets());
  Filter by_port;
  by_port.local_ports = {443};
  EXPECT_TRUE(by_port.may_part_sockets());
  filter.recorded = std::make_shared<const Filter>(by_port);
  EXPECT_TRUE(filter.may_part_sockets());
  Filter by_state;
  by_state.states.set(index(State::CloseWait));
  EXPECT_TRUE(by_state.may_part_sockets());
}

}  // namespace
}  // namespace tcpdwell
