// SPDX-License-Identifier: Apache-2.0
// Filters as a user types them: ports, ranges and services, ends, names, and words without dashes.
#include "options/filter_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "options/service_names.h"
#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

EndMatch parsed_end(const std::string& text) {
  const auto ends = options({"--local", text}).filter.locals;
  return ends.size() == 1 ? ends.front() : EndMatch{};
}

TEST(FilterOptions, PortsRangesAndServices) {
  for (const char* option : {"--port", "--lport", "--rport"}) {
    const Filter filter = options({option, "80-90,http,8080,ssh"}).filter;
    const PortList& list = option == std::string("--port")    ? filter.ports
                           : option == std::string("--lport") ? filter.local_ports
                                                              : filter.remote_ports;
    EXPECT_THAT(list,
                ElementsAre(PortMatch(80, 90), PortMatch(80), PortMatch(8080), PortMatch(22)));
  }
  EXPECT_THAT(options({"--port", "1-65535"}).filter.ports, ElementsAre(PortMatch()));
}

TEST(FilterOptions, RefusesWhatIsNoPort) {
  for (const char* text : {"90-80", "80-", "-80", "0-80", "80-65536", "80-90-95", "80 - 90",
                           "no-such-service", "http-https", "HTTP", "80x", "tcp", "#"})
    EXPECT_THAT(error({"--port=" + std::string(text)}),
                StartsWith("--port: \"" + std::string(text) + "\" is not a port"))
        << text;
}

TEST(FilterOptions, Ends) {
  const Cidr one = *parse_cidr("10.0.0.1"), six = *parse_cidr("2001:db8::1");
  EXPECT_EQ(parsed_end("10.0.0.1"), (EndMatch{one, std::nullopt}));
  EXPECT_EQ(parsed_end("10.0.0.1:80"), (EndMatch{one, PortMatch(80)}));
  EXPECT_EQ(parsed_end("10.0.0.1:80-90"), (EndMatch{one, PortMatch(80, 90)}));
  EXPECT_EQ(parsed_end("10.0.0.1:http"), (EndMatch{one, PortMatch(80)}));
  EXPECT_EQ(parsed_end("2001:db8::1"), (EndMatch{six, std::nullopt}));
  EXPECT_EQ(parsed_end("[2001:db8::1]"), (EndMatch{six, std::nullopt}));
  EXPECT_EQ(parsed_end("[2001:db8::1]:80"), (EndMatch{six, PortMatch(80)}));
  EXPECT_EQ(parsed_end("10.0.0.0/8:80"), (EndMatch{*parse_cidr("10.0.0.0/8"), PortMatch(80)}));
  EXPECT_EQ(parsed_end("[2001:db8::/32]:80").addr, parse_cidr("2001:db8::/32"));
  EXPECT_EQ(parsed_end(":80"), (EndMatch{std::nullopt, PortMatch(80)}));
  EXPECT_EQ(parsed_end("*:80"), (EndMatch{std::nullopt, PortMatch(80)})) << "as ss prints it";
  EXPECT_EQ(options({"--remote", "10.0.0.1:80,[::1]:443"}).filter.remotes.size(), 2U);
}

TEST(FilterOptions, RefusesWhatIsNoEnd) {
  for (const char* text : {"10.0.0.1:", "10.0.0.1:0", "[::1", "[::1]80", "[::1]:", "[]:80", ":",
                           "localhost:80", "1:2:3", "*", "[10.0.0.1", "10.0.0.1]:80"})
    EXPECT_THAT(error({"--remote", text}), HasSubstr("is not an address with or without a port"))
        << text;
}

TEST(FilterOptions, CommIsCutAsTheKernelCutsIt) {
  EXPECT_THAT(options({"--comm", "nginx,systemd-timesyncd"}).filter.comms,
              ElementsAre("nginx", "systemd-timesyn"));
}

TEST(FilterOptions, MinDwell) {
  EXPECT_EQ(options({"--min-dwell", "2m30s"}).filter.min_dwell, 150s);
  EXPECT_EQ(options({"--min-dwell", "10us"}).filter.min_dwell, 10us);
  EXPECT_THAT(error({"--min-dwell", "5s", "--state", "CLOSED"}), HasSubstr("stays in CLOSED"));
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"stats"}, {"leaks"}, {"record", "-o", "/dev/null"}, {"check"}}) {
    auto arguments = command;
    arguments.insert(arguments.end(), {"--min-dwell", "5s"});
    EXPECT_THAT(error(arguments), HasSubstr("--min-dwell: does not go with " + command.front()));
  }
  EXPECT_THAT(error({"replay", "f", "stats", "--min-dwell", "5s"}), HasSubstr("with stats"));
}

TEST(FilterOptions, SingleValuesAreNotRepeated) {
  EXPECT_THAT(error({"--netns", "self", "--netns", "self"}), HasSubstr("--netns"));
  EXPECT_THAT(error({"--min-dwell", "1", "--min-dwell", "2"}), HasSubstr("--min-dwell"));
}

TEST(FilterWord, IsAnOptionWithoutDashes) {
  Filter filter;
  for (const char* word : {"lport=80-90,8080", "comm=nginx", "state=close-wait", "state=TIME_WAIT",
                           "remote=[::1]:443", "min-dwell=5s", "-6"}) {
    const auto wrong = add_filter(word, filter);
    EXPECT_FALSE(wrong) << wrong->text();
  }
  EXPECT_THAT(filter.local_ports, ElementsAre(PortMatch(80, 90), PortMatch(8080)));
  EXPECT_THAT(filter.comms, ElementsAre("nginx"));
  EXPECT_EQ(filter.states.count(), 2U);
  EXPECT_EQ(filter.remotes.size(), 1U);
  EXPECT_EQ(filter.min_dwell, 5s);
  EXPECT_EQ(filter.family, Family::Ipv6);
}

TEST(FilterWord, TellsWhatIsWrong) {
  Filter filter;
  const auto wrong = [&](const char* word) {
    const auto error = add_filter(word, filter);
    return error ? error->text() : std::string();
  };
  EXPECT_THAT(wrong("nginx"), HasSubstr("\"nginx\" is not a filter"));
  EXPECT_THAT(wrong("lport"), HasSubstr("is not a filter"));
  EXPECT_THAT(wrong("=80"), HasSubstr("is not a filter"));
  EXPECT_THAT(wrong("lport="), HasSubstr("is not a port"));
  EXPECT_THAT(wrong("lport=80,"), HasSubstr("is not a port"));
  EXPECT_THAT(wrong("state=OPEN"), HasSubstr("is not a TCP state"));
}

TEST(ServiceNames, OfAFile) {
  const File file(
      "# comment http 1/tcp\n"
      "udponly 7/udp\n"
      "both\t70/udp\nboth\t71/tcp\n"
      "named  72/tcp  alias other # comment\n"
      "broken tcp/73\nbig 65536/tcp\nnothing\n\n"
      "http 8000/tcp\n"
      "last 74/tcp");
  const auto port = [&](std::string_view name) { return service_port(name, file.path()); };
  EXPECT_EQ(port("both"), 71);
  EXPECT_EQ(port("named"), 72);
  EXPECT_EQ(port("other"), 72);
  EXPECT_EQ(port("http"), 8000) << "the file is first";
  EXPECT_EQ(port("last"), 74) << "without a newline";
  for (const char* name : {"udponly", "comment", "broken", "big", "nothing", "#", "", "72/tcp"})
    EXPECT_EQ(port(name), std::nullopt) << name;
}

TEST(ServiceNames, WithoutAFile) {
  EXPECT_EQ(service_port("https", "/nonexistent"), 443);
  EXPECT_EQ(service_port("no-such-service", "/nonexistent"), std::nullopt);
  EXPECT_EQ(service_port("https", "/"), 443) << "a directory";
}

TEST(ServiceNames, OfAFileWithoutLines) {
  EXPECT_EQ(service_port("x", File(std::string(1U << 20U, 'x')).path()), std::nullopt);
}

}  // namespace
}  // namespace tcpdwell
