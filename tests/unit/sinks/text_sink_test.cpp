// SPDX-License-Identifier: Apache-2.0
// The lines that people read: in columns, within 100 of them where addresses are IPv4, harmless.
#include "sinks/text_sink.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <sstream>
#include <vector>

#include "support/records.h"

namespace tcpdwell {
namespace {

using namespace samples;

constexpr Kinds kAll{};
constexpr TextStyle kPlain{.color = false, .header = true};
constexpr std::size_t kWidth = 100;

class Text : public testing::Test {
 protected:
  Text() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
};

std::string text(const Record& record, const TextStyle& style = kPlain, const Kinds& kinds = kAll) {
  Captured captured;
  TextSink sink(captured.output(), kinds, style);
  sink.write(record);
  return captured.text();
}

// One line, without its '\n'.
std::string line(const Record& record, const TextStyle& style = kPlain) {
  std::string all = text(record, style);
  EXPECT_TRUE(all.ends_with('\n'));
  if (!all.empty()) all.pop_back();
  EXPECT_EQ(all.find('\n'), std::string::npos) << all;
  return all;
}

// On the screen: characters, not bytes (none of ours is wide).
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80;
  }));
}

// The column at which `part` begins.
std::size_t column(std::string_view line, std::string_view part) {
  const auto at = line.find(part);
  EXPECT_NE(at, std::string_view::npos) << '"' << part << "\" in: " << line;
  return at == std::string_view::npos ? at : width(line.substr(0, at));
}

std::string without_color(std::string text) {
  for (std::size_t at = 0; (at = text.find("\033[", at)) != std::string::npos;)
    text.erase(at, text.find('m', at) - at + 1);
  return text;
}

struct Columns {
  std::size_t local, remote, change, dwell_end, owner;
};

Columns header_columns() {
  const std::string header = line(StartRecord{});
  return {.local = column(header, "LOCAL"),
          .remote = column(header, "REMOTE"),
          .change = column(header, "→"),
          .dwell_end = column(header, "TIME IN IT") + 10,
          .owner = column(header, "OWNER")};
}

TransitionRecord established_to_close_wait(Dwell dwell = {4507ms}) {
  return transition(State::Established, State::CloseWait, dwell, Why::Fin);
}

TEST_F(Text, ATransition) {
  const std::string shown = line(established_to_close_wait());
  EXPECT_TRUE(shown.starts_with("03:04:05.006 10.0.0.1:54321 ")) << shown;
  EXPECT_TRUE(shown.ends_with(" 4.507s curl[42]")) << shown;
  EXPECT_NE(shown.find(" 10.0.0.2:80 "), std::string::npos) << shown;
  EXPECT_NE(shown.find(" ESTABLISHED → CLOSE_WAIT "), std::string::npos) << shown;
}

TEST_F(Text, ColumnsMatchTheHeader) {
  const Columns at = header_columns();
  const std::string shown = line(established_to_close_wait());
  EXPECT_EQ(column(shown, "10.0.0.1:"), at.local);
  EXPECT_EQ(column(shown, "10.0.0.2:"), at.remote);
  EXPECT_EQ(column(shown, "→"), at.change);
  EXPECT_EQ(column(shown, "4.507s") + 6, at.dwell_end);
  EXPECT_EQ(column(shown, "curl["), at.owner);
}

constexpr State kEnding[] = {
    State::Listen,    State::SynSent, State::SynReceived, State::FinWait1, State::FinWait2,
    State::CloseWait, State::Closing, State::LastAck,     State::TimeWait, State::Established};

// The changes of TCP's diagram, and the ends that a listener, a reset or a kill can make.
std::vector<TransitionRecord> changes(const Dwell& dwell) {
  std::vector<TransitionRecord> all;
  for (const auto& [from, to] : {std::pair{State::Closed, State::SynSent},
                                 {State::Closed, State::Listen},
                                 {State::Listen, State::SynReceived},
                                 {State::SynSent, State::Established},
                                 {State::SynSent, State::SynReceived},
                                 {State::SynReceived, State::Established},
                                 {State::SynReceived, State::CloseWait},
                                 {State::Established, State::FinWait1},
                                 {State::Established, State::CloseWait},
                                 {State::FinWait1, State::FinWait2},
                                 {State::FinWait1, State::Closing},
                                 {State::FinWait1, State::TimeWait},
                                 {State::FinWait2, State::TimeWait},
                                 {State::CloseWait, State::LastAck},
                                 {State::Closing, State::TimeWait}})
    all.push_back(transition(from, to, dwell));
  for (const State from : kEnding) all.push_back(transition(from, State::Closed, dwell));
  return all;
}

// Ends that say why.
std::vector<TransitionRecord> remarkable(const Dwell& dwell) {
  std::vector<TransitionRecord> all = {
      transition(State::SynSent, State::Closed, dwell, Why::Refused),
      transition(State::SynSent, State::Closed, dwell, Why::Timeout),
      transition(State::SynReceived, State::Closed, dwell, Why::Timeout),
      transition(State::FinWait2, State::Closed, dwell, Why::Timeout),
      transition(State::TimeWait, State::Closed, dwell, Why::Reused),
      transition(State::TimeWait, State::Closed, dwell, Why::Recycled),
      transition(State::TimeWait, State::Closed, dwell, Why::Killed)};
  for (const State from : kEnding)
    all.push_back(transition(from, State::Closed, dwell, Why::Reset));
  return all;
}

TEST_F(Text, ASlowHandshakeSaysHowOftenItsSynWasSent) {
  TransitionRecord record = transition(State::SynSent, State::Established, Dwell{3s}, Why::Ack);
  const std::string fast = line(record);
  record.syns_sent = 1;
  EXPECT_EQ(line(record), fast);
  record.syns_sent = 3;
  EXPECT_EQ(line(record), fast + "  SYN sent 3 times");
  record.full_queue = FullQueue{.length = 1129, .backlog = 1128};
  EXPECT_EQ(line(record), fast +
                              "  SYN sent 3 times; the listener's accept queue was full "
                              "(1,129, backlog 1,128)");
  record.full_queue.reset();
  record.from = State::SynReceived;
  record.syns_sent = 2;
  EXPECT_TRUE(line(record).ends_with("curl[42]  SYN-ACK sent 2 times")) << line(record);
}

TEST_F(Text, DwellAndOwnerKeepTheirColumnsInEveryChange) {
  const Columns at = header_columns();
  for (const TransitionRecord& record : changes(Dwell{1650us})) {
    const std::string shown = line(record);
    EXPECT_EQ(column(shown, "1.65ms") + 6, at.dwell_end) << shown;
    EXPECT_EQ(column(shown, "curl["), at.owner) << shown;
  }
}

TEST_F(Text, TypicalLinesFitIn100Columns) {
  for (const Dwell dwell : {Dwell{17us}, Dwell{61044ms}, Dwell{60297ms, 4ms}, Dwell{2h, {}}})
    for (TransitionRecord record : changes(dwell)) {
      record.socket.flow.local = endpoint(Family::Ipv4, "192.168.1.10", 54321);
      record.socket.flow.remote = endpoint(Family::Ipv4, "93.184.216.34", 443);
      record.socket.owner = owner_of(32591, "nginx");
      EXPECT_LE(width(line(record)), kWidth) << line(record);
      record.socket.flow.remote = endpoint(Family::Ipv4, "127.0.0.1", 8080);
      record.socket.owner = owner_of(1234, "python3");
      EXPECT_LE(width(line(record)), kWidth) << line(record);
    }
  EXPECT_LE(width(line(StartRecord{})), kWidth);
}

TEST_F(Text, LinesWithAReasonFitIn100Columns) {
  for (const Dwell dwell : {Dwell{17us}, Dwell{61044ms}, Dwell{60297ms, 4ms}})
    for (const TransitionRecord& record : remarkable(dwell))
      EXPECT_LE(width(line(record)), kWidth) << line(record);
}

TEST_F(Text, LongEndpointsTakeRoomFromWhatFollowsAndKeepASpace) {
  TransitionRecord record = established_to_close_wait();
  record.socket.flow.local = record.socket.flow.remote =
      endpoint(Family::Ipv4, "255.255.255.255", 65535);
  record.socket.owner = owner_of(1, "sh");
  const std::string shown = line(record);
  EXPECT_NE(shown.find(" 255.255.255.255:65535 255.255.255.255:65535 ESTABLISHED "),
            std::string::npos)
      << shown;
  EXPECT_LE(width(shown), kWidth) << shown;
}

TEST_F(Text, Ipv6IsInBracketsAndNotCut) {
  TransitionRecord record = established_to_close_wait();
  record.socket = ipv6_server();
  EXPECT_NE(line(record).find(" [2001:db8::1]:443 "), std::string::npos) << line(record);

  const std::string longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  record.socket.flow.local = record.socket.flow.remote =
      endpoint(Family::Ipv6, longest.c_str(), 65535);
  const std::string shown = line(record);
  EXPECT_NE(shown.find(" [" + longest + "]:65535 [" + longest +
                       "]:65535 ESTABLISHED → CLOSE_WAIT 4.507s nginx[7]"),
            std::string::npos)
      << shown;
}

TEST_F(Text, AShortIpv6LineIsAlignedToo) {
  TransitionRecord record = established_to_close_wait();
  record.socket = ipv6_server();
  record.socket.flow.local = record.socket.flow.remote = endpoint(Family::Ipv6, "::1", 443);
  const Columns at = header_columns();
  EXPECT_EQ(column(line(record), "→"), at.change);
  EXPECT_EQ(column(line(record), "nginx["), at.owner);
}

TEST_F(Text, InexactDwellsAreMarked) {
  EXPECT_NE(line(established_to_close_wait({4507ms, 4ms})).find(" ~4.507s "), std::string::npos);
  EXPECT_NE(line(established_to_close_wait({4507ms, {}})).find(" ≥4.507s "), std::string::npos);
  const Columns at = header_columns();
  for (const auto& error : {std::optional{Nanos{4ms}}, std::optional<Nanos>{}}) {
    const std::string shown = line(established_to_close_wait({4507ms, error}));
    EXPECT_EQ(column(shown, "4.507s") + 6, at.dwell_end) << "the mark stands before it";
    EXPECT_EQ(column(shown, "curl["), at.owner) << shown;
  }
}

TEST_F(Text, WithoutADwellItsColumnIsEmpty) {
  const std::string shown = line(transition(State::Closed, State::SynSent, std::nullopt));
  EXPECT_EQ(column(shown, "curl["), header_columns().owner) << shown;
}

TEST_F(Text, UnknownOwnerIsADash) {
  TransitionRecord record = established_to_close_wait();
  record.socket.owner.reset();
  EXPECT_TRUE(line(record).ends_with(" -")) << line(record);
  record.socket.owner = owner_of(0, "curl");
  EXPECT_TRUE(line(record).ends_with(" curl")) << "a pid of another namespace is not shown";
}

TEST_F(Text, AListenerHasNoRemoteEndAndAPortToComeIsAQuestion) {
  TransitionRecord record = transition(State::Closed, State::Listen, std::nullopt);
  record.socket.role = Role::Listener;
  record.socket.flow.remote = {};
  EXPECT_NE(line(record).find(" * "), std::string::npos) << line(record);
  record = transition(State::Closed, State::SynSent, std::nullopt);
  record.socket.flow.local.port = 0;
  EXPECT_NE(line(record).find(" 10.0.0.1:? "), std::string::npos) << line(record);
}

TEST_F(Text, UnusualEndShowsItsReason) {
  const auto shown = [](Why why) {
    return line(transition(State::Established, State::Closed, Dwell{1s}, why));
  };
  EXPECT_NE(shown(Why::Reset).find("CLOSED reset "), std::string::npos) << shown(Why::Reset);
  EXPECT_NE(shown(Why::Timeout).find("CLOSED timeout "), std::string::npos);
  EXPECT_EQ(shown(Why::Expired).find("expired"), std::string::npos);
  EXPECT_EQ(shown(Why::Ack).find("CLOSED ack"), std::string::npos);
}

TEST_F(Text, ColorOnlyOnRequestAndWithoutShiftingColumns) {
  constexpr TextStyle kColor{.color = true, .header = true};
  std::vector<TransitionRecord> records = changes(Dwell{4507ms, 4ms});
  for (TransitionRecord& record : remarkable(Dwell{4507ms})) records.push_back(std::move(record));
  for (const TransitionRecord& record : records) {
    const std::string plain = line(record), colored = line(record, kColor);
    EXPECT_EQ(plain.find('\033'), std::string::npos);
    EXPECT_NE(colored.find("\033["), std::string::npos);
    EXPECT_EQ(without_color(colored), plain);
    EXPECT_EQ(colored.rfind("\033["), colored.rfind("\033[0m")) << "a color that is left on";
  }
}

TEST_F(Text, HostileNamesDoNotReachTheTerminal) {
  for (const std::string_view comm :
       {"\033[2J\033[H", "a\nb\rc\td",
        "\x9b"
        "31m",
        "\xc2\x9b"
        "31m",
        "\xff\xfe\xc0\x80", "\x7f\b\b\b", "\xe2\x80\xaegpj.exe", "\033]0;title\a"}) {
    TransitionRecord record = established_to_close_wait();
    record.socket.owner = owner_of(1, comm);
    record.socket.cgroup = comm;
    EXPECT_EQ(hostile_byte(line(record)), "") << line(record);
    ConnectionRecord connection{.when = kWhen, .socket = record.socket};
    connection.closer = record.socket.owner;
    EXPECT_EQ(hostile_byte(line(connection)), "") << line(connection);
  }
}

TEST_F(Text, ANameMayFillItsField) {
  TransitionRecord record = established_to_close_wait();
  record.socket.owner = owner_of(42, std::string(16, 'x'));
  EXPECT_TRUE(line(record).ends_with(' ' + std::string(16, 'x') + "[42]")) << line(record);
}

TEST_F(Text, QuietHasNoHeader) {
  EXPECT_EQ(text(StartRecord{}, TextStyle{.color = false, .header = false}), "");
}

TEST_F(Text, EndPrintsNoLine) { EXPECT_EQ(text(EndRecord{.when = kWhen}), ""); }

TEST_F(Text, OnlyPicksTheKinds) {
  const Kinds connections{.transitions = false, .connections = true};
  EXPECT_EQ(text(established_to_close_wait(), kPlain, connections), "");
  EXPECT_NE(text(ConnectionRecord{.when = kWhen}, kPlain, connections), "");
  EXPECT_NE(text(StartRecord{}, kPlain, connections), "");
  EXPECT_NE(text(LostRecord{.when = kWhen, .events = 1}, kPlain, connections), "");
}

TEST_F(Text, AConnection) {
  ConnectionRecord record{.when = kWhen, .socket = ipv4_client()};
  record.dwell[index(State::Established)] = Dwell{50ms};
  record.dwell[index(State::TimeWait)] = Dwell{60s, 4ms};
  record.dwell[index(State::FinWait2)] = Dwell{2s, {}};
  record.opened_by = Side::Local;
  record.closed_by = Side::Remote;
  record.closer = owner_of(7, "nginx", Via::Close);
  record.ended = Ended::Fin;
  record.time_wait_ended = TimeWaitEnded::Expired;
  record.tally = Tally{.bytes_sent = 7, .bytes_received = 9};
  const std::string shown = line(record);
  for (const char* part : {"client opened by local, closed first by remote: fin, close() by "
                           "nginx[7], TIME_WAIT expired",
                           "ESTABLISHED 50.0ms", "FIN_WAIT_2 ≥2.000s", "TIME_WAIT ~60.000s",
                           "sent 7 B, received 9 B", "curl[42]"})
    EXPECT_NE(shown.find(part), std::string::npos) << part << " in " << shown;
}

TEST_F(Text, AConnectionsDwellsAreInTheOrderOfItsLife) {
  ConnectionRecord record{.when = kWhen, .socket = ipv4_client()};
  for (auto& dwell : record.dwell) dwell = Dwell{1ms};
  const std::string shown = line(record);
  std::size_t last = 0;
  for (const char* state : {"LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1",
                            "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT"}) {
    const std::size_t at = shown.find(std::string(", ") + state + ' ');
    ASSERT_NE(at, std::string::npos) << state << " in " << shown;
    EXPECT_GT(at, last) << state << " in " << shown;
    last = at;
  }
  EXPECT_EQ(shown.find("CLOSED"), std::string::npos) << shown;
}

TEST_F(Text, LossIsNeverSilent) {
  LostRecord record{.when = kWhen, .cause = LossCause::RingFull, .events = 5, .transitions = 3};
  EXPECT_NE(line(record).find("LOST 5 events, 3 of them transitions (ring_full)"),
            std::string::npos)
      << line(record);
  record = {.when = kWhen, .cause = LossCause::Recursion, .at_most = 2};
  EXPECT_NE(line(record).find("missed at most 2 events"), std::string::npos) << line(record);
  record.events = 1;
  EXPECT_NE(line(record).find("; missed at most 2 events"), std::string::npos) << line(record);
  record = {.when = kWhen, .cause = LossCause::Recursion, .resynced = 3};
  EXPECT_NE(line(record).find(" 3 connections corrected"), std::string::npos) << line(record);
}

TEST_F(Text, CachedSecondIsUpdated) {
  Captured captured;
  TextSink sink(captured.output(), kAll, kPlain);
  TransitionRecord record = established_to_close_wait();
  for (const Nanos at :
       {1'767'323'045'999'999'999ns, 1'767'323'046'000'000'000ns, 1'767'323'045'123'000'000ns}) {
    record.when.unix_time = at;
    sink.write(record);
  }
  std::istringstream lines(captured.text());
  for (const char* wanted : {"03:04:05.999 ", "03:04:06.000 ", "03:04:05.123 "}) {
    std::string shown;
    std::getline(lines, shown);
    EXPECT_TRUE(shown.starts_with(wanted)) << shown;
  }
}

}  // namespace
}  // namespace tcpdwell
