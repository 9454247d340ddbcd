// SPDX-License-Identifier: Apache-2.0
// Shared types: states in every spelling, addresses, processes.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <vector>

#include "model/record.h"
#include "model/types.h"

namespace tcpdwell {
namespace {

struct Spellings {
  State state;
  std::string_view name;
  std::vector<std::string> accepted;  // RFC 9293, ss, netstat, the kernel
};

std::string_view test_name(const Spellings& spellings) { return spellings.name; }
void PrintTo(const Spellings& spellings, std::ostream* out) { *out << test_name(spellings); }

const Spellings kAll[] = {
    {State::Established, "ESTABLISHED", {"ESTABLISHED", "ESTAB", "established", "TCP_ESTABLISHED"}},
    {State::SynSent, "SYN_SENT", {"SYN_SENT", "SYN-SENT", "syn-sent", "TCP_SYN_SENT"}},
    {State::SynReceived,
     "SYN_RECEIVED",
     {"SYN_RECEIVED", "SYN-RECEIVED", "SYN_RECV", "SYN-RECV", "syn-recv", "TCP_SYN_RECV",
      "TCP_NEW_SYN_RECV", "NEW_SYN_RECV"}},
    {State::FinWait1,
     "FIN_WAIT_1",
     {"FIN_WAIT_1", "FIN-WAIT-1", "fin-wait-1", "FIN_WAIT1", "TCP_FIN_WAIT1"}},
    {State::FinWait2,
     "FIN_WAIT_2",
     {"FIN_WAIT_2", "FIN-WAIT-2", "fin-wait-2", "FIN_WAIT2", "TCP_FIN_WAIT2"}},
    {State::TimeWait, "TIME_WAIT", {"TIME_WAIT", "TIME-WAIT", "time-wait", "TCP_TIME_WAIT"}},
    {State::Closed, "CLOSED", {"CLOSED", "closed", "CLOSE", "close", "UNCONN", "TCP_CLOSE"}},
    {State::CloseWait, "CLOSE_WAIT", {"CLOSE_WAIT", "CLOSE-WAIT", "close-wait", "TCP_CLOSE_WAIT"}},
    {State::LastAck, "LAST_ACK", {"LAST_ACK", "LAST-ACK", "last-ack", "TCP_LAST_ACK"}},
    {State::Listen, "LISTEN", {"LISTEN", "listen", "LISTENING", "listening", "TCP_LISTEN"}},
    {State::Closing, "CLOSING", {"CLOSING", "closing", "TCP_CLOSING"}},
};

std::string mixed_case(std::string text) {
  for (std::size_t i = 0; i < text.size(); i += 2)
    text[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
  return text;
}

class StateSpelling : public testing::TestWithParam<Spellings> {};

TEST_P(StateSpelling, ParsesInAnyCaseAndPrintsAsInTheRfc) {
  const auto& [state, printed, accepted] = GetParam();
  EXPECT_EQ(name(state), printed);
  for (const std::string& text : accepted) {
    EXPECT_EQ(parse_state(text), state) << text;
    EXPECT_EQ(parse_state(mixed_case(text)), state) << mixed_case(text);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, StateSpelling, testing::ValuesIn(kAll),
                         [](const auto& test) { return std::string(test_name(test.param)); });

TEST(State, AllAreTested) {
  std::set<State> covered;
  for (const Spellings& spellings : kAll) covered.insert(spellings.state);
  EXPECT_EQ(covered.size(), kStates - 1);
}

TEST(State, RejectsInvalidNames) {
  for (const std::string_view text :
       {"", "_", "TCP", "TCP_", "CLOSE_WAIT_2", "FIN_WAIT", "FIN_WAIT_3", "ESTABLISHE", "SYN",
        "TCP_TCP_CLOSE", "CLOSE WAIT", " LISTEN", "LISTEN ", "LISTEN,CLOSED", "10", "all",
        "connected", "\xc5\xbfyn_sent"})
    EXPECT_EQ(parse_state(text), std::nullopt) << '"' << text << '"';
}

TEST(State, ChecksKernelValues) {
  EXPECT_EQ(to_state(0), std::nullopt);
  for (std::uint8_t value = 1; value < kStates; ++value)
    EXPECT_EQ(to_state(value), static_cast<State>(value));
  EXPECT_EQ(to_state(12), State::SynReceived) << "TCP_NEW_SYN_RECV";
  for (unsigned value = 13; value < 256; ++value)
    EXPECT_EQ(to_state(static_cast<std::uint8_t>(value)), std::nullopt)
        << value << ": TCP_BOUND_INACTIVE and unknown values are no state";
}

std::string printed(Family family, const char* text) {
  Endpoint end;
  const int af = family == Family::Ipv4 ? AF_INET : AF_INET6;
  EXPECT_EQ(::inet_pton(af, text, end.addr.data()), 1) << text;
  return format_address(end, family);
}

TEST(Address, Ipv6IsFormattedByRfc5952) {
  const std::pair<const char*, const char*> cases[] = {
      {"2001:0db8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1"},  // leading zeros, longest run
      {"2001:DB8:0:0:ABCD:0:0:1", "2001:db8::abcd:0:0:1"},           // lower case, first of equals
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},              // a single group stays
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},                       // the longer one
      {"::", "::"},
      {"::1", "::1"},
      {"fe80::", "fe80::"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
  };
  for (const auto& [text, wanted] : cases) EXPECT_EQ(printed(Family::Ipv6, text), wanted) << text;
}

TEST(Address, LongestFit) {
  const char* const longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  EXPECT_EQ(printed(Family::Ipv6, longest), longest);
  EXPECT_EQ(printed(Family::Ipv4, "255.255.255.255"), "255.255.255.255");
}

TEST(Address, Ipv4UsesFirstFourBytes) {
  Endpoint end;
  end.addr = {10, 0, 0, 1, 99, 99};
  EXPECT_EQ(format_address(end, Family::Ipv4), "10.0.0.1");
  EXPECT_EQ(format_address(Endpoint{}, Family::Ipv4), "0.0.0.0");
}

TEST(Process, CommCanLackTerminator) {
  Process process;
  EXPECT_EQ(process.comm_view(), "");
  process.comm.fill('x');
  EXPECT_EQ(process.comm_view(), std::string(16, 'x'));
  process.comm = {'a', 'b', '\0', 'z'};
  EXPECT_EQ(process.comm_view(), "ab") << "bytes after the NUL are left from an older name";
}

TEST(Names, MatchTheDocumentedOnes) {
  EXPECT_EQ(name(Via::Connect), "connect");
  EXPECT_EQ(name(Via::Listen), "listen");
  EXPECT_EQ(name(Via::Accept), "accept");
  EXPECT_EQ(name(Via::Close), "close");
  EXPECT_EQ(name(Via::Fd), "fd");
  EXPECT_EQ(name(Ended::ResetSent), "reset_sent");
  EXPECT_EQ(name(Ended::ResetReceived), "reset_received");
  EXPECT_EQ(name(TimeWaitEnded::Recycled), "recycled");
  EXPECT_EQ(name(LossCause::RingFull), "ring_full");
  EXPECT_EQ(name(Why::Unknown), "") << "null in JSON";
}

// The values of each enum are the words of docs/json.md, none empty and none twice.
template <typename Enum>
std::set<std::string_view> names_up_to(Enum last) {
  std::set<std::string_view> names;
  for (unsigned i = 0; i <= static_cast<unsigned>(last); ++i) names.insert(name(Enum(i)));
  return names;
}

TEST(Names, CoverAllDocumentedOnes) {
  using Words = std::set<std::string_view>;
  EXPECT_EQ(names_up_to(Role::Listener), (Words{"unknown", "client", "server", "listener"}));
  EXPECT_EQ(names_up_to(Side::Both), (Words{"unknown", "none", "local", "remote", "both"}));
  EXPECT_EQ(names_up_to(Ended::Unreachable),
            (Words{"unknown", "fin", "reset_sent", "reset_received", "refused", "timeout", "closed",
                   "killed", "overflow", "dropped", "netns", "unreachable"}));
  EXPECT_EQ(names_up_to(TimeWaitEnded::Netns),
            (Words{"unknown", "expired", "reused", "recycled", "reset", "killed", "netns"}));
  EXPECT_EQ(names_up_to(Why::Unreachable),
            (Words{"",         "connect", "listen",   "close",   "shutdown", "disconnect", "syn",
                   "ack",      "fin",     "reset",    "refused", "timeout",  "expired",    "reused",
                   "recycled", "killed",  "overflow", "dropped", "netns",    "unreachable"}));
  EXPECT_EQ(names_up_to(LossCause::Damaged), (Words{"ring_full", "recursion", "damaged"}));
}

}  // namespace
}  // namespace tcpdwell
