// SPDX-License-Identifier: Apache-2.0
// Each record type's line, byte for byte: scripts rely on names, order and null.
#include "sinks/ndjson_sink.h"

#include <gtest/gtest.h>

#include "support/json_text.h"
#include "support/records.h"

namespace tcpdwell {
namespace {

using namespace samples;

#define TIMES R"("time":"2026-01-02T03:04:05.006007008Z","mono_ns":123456789)"
#define CURL                                                                            \
  R"("cookie":"1a2b","life":0,"netns":4026531840,"family":"ipv4",)"                     \
  R"("local":{"addr":"10.0.0.1","port":54321},"remote":{"addr":"10.0.0.2","port":80},)" \
  R"("role":"client","owner":{"pid":42,"comm":"curl","uid":1000,"via":"connect"},)"     \
  R"("cgroup":"/user.slice")"

TEST(Ndjson, Start) {
  const StartRecord record{.when = kWhen,
                           .version = "1.2.3",
                           .kernel = "6.1.0-13-amd64",
                           .host = "web\"1",
                           .hz = 250,
                           .thresholds = {{"CLOSE_WAIT", 60s}, {"FIN_WAIT_2", 250ms}},
                           .sees = {{"time_wait", "exact"}, {"accept_owner", "no"}}};
  EXPECT_EQ(line_of(record),
            R"({"type":"start",)" TIMES
            R"(,"schema":1,"version":"1.2.3","kernel":"6.1.0-13-amd64",)"
            R"("host":"web\"1","hz":250,"thresholds_ns":{"CLOSE_WAIT":60000000000,)"
            R"("FIN_WAIT_2":250000000},"sees":{"time_wait":"exact","accept_owner":"no"}})");
}

TEST(Ndjson, StartWithoutThresholdsHasEmptyObjects) {
  EXPECT_EQ(line_of(StartRecord{.when = kWhen}),
            R"({"type":"start",)" TIMES R"(,"schema":1,"version":"","kernel":"","host":"","hz":0,)"
            R"("thresholds_ns":{},"sees":{}})");
}

TEST(Ndjson, Transition) {
  EXPECT_EQ(line_of(transition(State::FinWait2, State::TimeWait, Dwell{4507ms}, Why::Fin)),
            R"({"type":"transition",)" TIMES "," CURL
            R"(,"from":"FIN_WAIT_2","to":"TIME_WAIT","dwell_ns":4507000000,"error_ns":0,)"
            R"("why":"fin","syn_retransmits":null})");
}

TEST(Ndjson, TheFirstTransitionHasNoDwell) {
  EXPECT_EQ(line_of(transition(State::Closed, State::SynSent, std::nullopt)),
            R"({"type":"transition",)" TIMES "," CURL
            R"(,"from":"CLOSED","to":"SYN_SENT","dwell_ns":null,"error_ns":0,"why":null,)"
            R"("syn_retransmits":null})");
}

TEST(Ndjson, AHandshakeHasItsRetransmits) {
  TransitionRecord record = transition(State::SynSent, State::Established, Dwell{3s}, Why::Ack);
  record.syns_sent = 3;
  EXPECT_TRUE(line_of(record).ends_with(R"("why":"ack","syn_retransmits":2})")) << line_of(record);
  record.full_queue = FullQueue{.listener = 0x1f, .length = 129, .backlog = 128};
  EXPECT_TRUE(line_of(record).ends_with(
      R"("syn_retransmits":2,"accept_queue_full":{"listener":"1f","length":129,"backlog":128}})"))
      << line_of(record);
  record.full_queue.reset();
  record.syns_sent = 1;
  EXPECT_TRUE(line_of(record).ends_with(R"("why":"ack","syn_retransmits":0})")) << line_of(record);
}

TEST(Ndjson, LowerBoundHasNullError) {
  const std::string line =
      line_of(transition(State::Established, State::CloseWait, Dwell{1s, std::nullopt}));
  EXPECT_NE(line.find(R"("dwell_ns":1000000000,"error_ns":null,)"), std::string::npos) << line;
}

TEST(Ndjson, RequestHasNoCookieAndNoOwner) {
  TransitionRecord record = transition(State::Listen, State::SynReceived, std::nullopt, Why::Syn);
  record.socket = ipv6_server();
  record.socket.cookie = 0;
  record.socket.owner.reset();
  record.socket.cgroup = {};
  EXPECT_EQ(line_of(record),
            R"({"type":"transition",)" TIMES R"(,"cookie":null,"life":0,"netns":4026531840,)"
            R"("family":"ipv6","local":{"addr":"2001:db8::1","port":443},)"
            R"("remote":{"addr":"2001:db8::2","port":50000},"role":"server","owner":null,)"
            R"("cgroup":null,"from":"LISTEN","to":"SYN_RECEIVED","dwell_ns":null,"error_ns":0,)"
            R"("why":"syn","syn_retransmits":null})");
}

TEST(Ndjson, Connection) {
  ConnectionRecord record{.when = kWhen, .socket = ipv4_client()};
  record.socket.life = 3;
  record.dwell[index(State::SynSent)] = Dwell{96us};
  record.dwell[index(State::Established)] = Dwell{50ms, std::nullopt};
  record.dwell[index(State::TimeWait)] = Dwell{60s, 4ms};
  record.closer = owner_of(42, "curl", Via::Close);
  record.opened_by = Side::Local;
  record.closed_by = Side::Both;
  record.ended = Ended::Fin;
  record.time_wait_ended = TimeWaitEnded::Expired;
  record.tally = Tally{
      .bytes_sent = 77, .bytes_received = 1'000'000'000'000, .retransmits = 2, .srtt_us = 125};
  std::string socket = CURL;
  socket.replace(socket.find(R"("life":0)"), 8, R"("life":3)");
  EXPECT_EQ(line_of(record),
            R"({"type":"connection",)" TIMES "," + socket +
                R"(,"dwell":{"SYN_SENT":96000,"ESTABLISHED":50000000,"TIME_WAIT":60000000000},)"
                R"("error_ns":{"ESTABLISHED":null,"TIME_WAIT":4000000},)"
                R"("closer":{"pid":42,"comm":"curl","uid":1000,"via":"close"},)"
                R"("opened_by":"local","closed_by":"both","ended":"fin",)"
                R"("time_wait_ended":"expired","bytes_sent":77,"bytes_received":1000000000000,)"
                R"("retransmits":2,"srtt_us":125})");
}

TEST(Ndjson, ConnectionWithUnknownFields) {
  EXPECT_EQ(line_of(ConnectionRecord{.when = kWhen, .socket = ipv4_client()}),
            R"({"type":"connection",)" TIMES "," CURL
            R"(,"dwell":{},"error_ns":{},"closer":null,"opened_by":"unknown",)"
            R"("closed_by":"unknown","ended":"unknown","time_wait_ended":null,"bytes_sent":null,)"
            R"("bytes_received":null,"retransmits":null,"srtt_us":null})");
}

TEST(Ndjson, DwellNeverHasTheKeyClosed) {
  ConnectionRecord record{.when = kWhen, .socket = ipv4_client()};
  for (auto& dwell : record.dwell) dwell = Dwell{1ns, 1ns};
  const std::string line = line_of(record);
  EXPECT_EQ(line.find("\"CLOSED\":"), std::string::npos) << line;
  EXPECT_NE(line.find(R"("dwell":{"LISTEN":1,"SYN_SENT":1,"SYN_RECEIVED":1,"ESTABLISHED":1,)"
                      R"("FIN_WAIT_1":1,"FIN_WAIT_2":1,"CLOSE_WAIT":1,"CLOSING":1,"LAST_ACK":1,)"
                      R"("TIME_WAIT":1})"),
            std::string::npos)
      << line;
}

TEST(Ndjson, SrttWithoutASampleIsNull) {
  ConnectionRecord record{.when = kWhen, .socket = ipv4_client()};
  record.tally = Tally{};
  EXPECT_TRUE(line_of(record).ends_with(
      R"("bytes_sent":0,"bytes_received":0,"retransmits":0,"srtt_us":null})"));
}

TEST(Ndjson, Lost) {
  const LostRecord record{.when = kWhen,
                          .cause = LossCause::Recursion,
                          .events = 5,
                          .transitions = 3,
                          .at_most = 9,
                          .resynced = 1};
  EXPECT_EQ(line_of(record), R"({"type":"lost",)" TIMES
                             R"(,"events":5,"transitions":3,"cause":"recursion","at_most":9,)"
                             R"("resynced":1})");
}

TEST(Ndjson, End) {
  const EndRecord record{.when = kWhen,
                         .events = 10,
                         .transitions = 8,
                         .lost = 2,
                         .transitions_lost = 1,
                         .connections = 4,
                         .open = 3,
                         .evicted = 6,
                         .unseen = 8,
                         .corrected = 9,
                         .mptcp_not_judged = 10,
                         .output_dropped = 7,
                         .elapsed = 2'000'050'999ns};
  EXPECT_EQ(line_of(record), R"({"type":"end",)" TIMES
                             R"(,"events":10,"transitions":8,"lost":2,"transitions_lost":1,)"
                             R"("connections":4,"open":3,"flags_raised":0,"flags_open":0,)"
                             R"("seconds":2.000050,"evicted":6,"unseen":8,"corrected":9,)"
                             R"("mptcp_not_judged":10,"output_dropped":7})");
}

TEST(Ndjson, LargeNumbersKeepAllDigits) {
  TransitionRecord record = transition(State::Listen, State::Closed, Dwell{Nanos::max()});
  record.socket.cookie = UINT64_MAX;
  record.socket.flow.netns = UINT32_MAX;
  record.socket.flow.local.port = 65535;
  const std::string line = line_of(record);
  for (const char* part : {R"("cookie":"ffffffffffffffff")", R"("netns":4294967295)",
                           R"("port":65535)", R"("dwell_ns":9223372036854775807)"})
    EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
}

TEST(Ndjson, AProcessOutsideTheTracersPidNamespaceHasNoPid) {
  TransitionRecord record = transition(State::Closed, State::SynSent, std::nullopt);
  record.socket.owner = owner_of(0, "x");
  EXPECT_NE(line_of(record).find(R"("owner":{"pid":null,"comm":"x",)"), std::string::npos);
}

TEST(Ndjson, HostileNamesStayInTheirStrings) {
  TransitionRecord record = transition(State::Closed, State::SynSent, std::nullopt);
  record.socket.owner = owner_of(1, "a\",\"x\":\n\xff\x1b[");
  record.socket.cgroup = "/\"\\\n\xc2\x9b";
  const std::string line = line_of(record);
  EXPECT_EQ(hostile_byte(line), "");
  EXPECT_NE(line.find("\"comm\":\"a\\\",\\\"x\\\":\\u000a\xef\xbf\xbd\\u001b[\","),
            std::string::npos)
      << line;
  EXPECT_NE(line.find(R"("cgroup":"/\"\\\u000a\u009b")"), std::string::npos) << line;
}

TEST(Ndjson, CachedSecondIsUpdated) {
  TransitionRecord record = transition(State::Closed, State::SynSent, std::nullopt);
  for (const auto& [unix_time, wanted] :
       {std::pair{1'767'323'045'999'999'999ns, "2026-01-02T03:04:05.999999999Z"},
        {1'767'323'046'000'000'000ns, "2026-01-02T03:04:06.000000000Z"},
        {1'767'323'045'000'000'001ns, "2026-01-02T03:04:05.000000001Z"}}) {
    record.when.unix_time = unix_time;
    EXPECT_NE(line_of(record).find(wanted), std::string::npos) << "dated back, too: " << wanted;
  }
}

TEST(Ndjson, OnlyLeavesStartLostAndEnd) {
  Captured captured;
  NdjsonSink sink(captured.output(), Kinds{.transitions = false, .connections = false});
  sink.write(StartRecord{.when = kWhen});
  sink.write(transition(State::Closed, State::SynSent, std::nullopt));
  sink.write(ConnectionRecord{.when = kWhen});
  sink.write(LostRecord{.when = kWhen});
  sink.write(EndRecord{.when = kWhen});
  const std::string text = captured.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  EXPECT_TRUE(text.starts_with(R"({"type":"start")"));
  EXPECT_NE(text.find(R"({"type":"lost")"), std::string::npos);
  EXPECT_NE(text.find(R"({"type":"end")"), std::string::npos);
  EXPECT_TRUE(text.ends_with("}\n"));
}

TEST(Ndjson, EndOfLeaksHasWatchedStates) {
  EndRecord end{.when = kWhen};
  end.watched = {
      {.state = State::FinWait2, .threshold = 60s},
      {.state = State::CloseWait, .threshold = 30s, .sockets = 12, .oldest = 3s, .unknown_age = 1}};
  EXPECT_NE(line_of(end).find(
                R"(,"watched":[{"flag":"FIN_WAIT_2","threshold_ns":60000000000,"sockets":0,)"
                R"("oldest_ns":0,"unknown_age":0},{"flag":"CLOSE_WAIT","threshold_ns":30000000000,)"
                R"("sockets":12,"oldest_ns":3000000000,"unknown_age":1}]})"),
            std::string::npos)
      << line_of(end);
}

TEST(Ndjson, TheLongestEndHasRoom) {
  EndRecord end{.when = kWhen};
  end.watched.emplace(kStates, WatchedState{.state = State::SynReceived,
                                            .threshold = Nanos{INT64_MAX},
                                            .sockets = UINT64_MAX,
                                            .oldest = Nanos{INT64_MAX},
                                            .unknown_age = UINT64_MAX});
  EXPECT_EQ(line_of(end).back(), '}');
}

TEST(Ndjson, OnlyOneKind) {
  Captured captured;
  NdjsonSink sink(captured.output(), Kinds{.transitions = false, .connections = true});
  sink.write(transition(State::Closed, State::SynSent, std::nullopt));
  sink.write(ConnectionRecord{.when = kWhen});
  EXPECT_TRUE(captured.text().starts_with(R"({"type":"connection")"));
}

}  // namespace
}  // namespace tcpdwell
