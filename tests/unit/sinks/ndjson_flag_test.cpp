// SPDX-License-Identifier: Apache-2.0
// A flag's line of JSON, byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "support/flags.h"
#include "support/json_text.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;

constexpr std::string_view kHead =
    R"({"type":"flag","time":"2026-01-02T03:04:05.006007008Z","mono_ns":123456789,)"
    R"("cookie":"c350","life":0,"netns":4026531840,"family":"ipv4",)"
    R"("local":{"addr":"10.0.0.1","port":8080},"remote":{"addr":"10.0.0.2","port":50000},)"
    R"("role":"server","owner":{"pid":4711,"comm":"python3","uid":1000,"via":"accept"},)"
    R"("cgroup":"/system.slice/web.service",)";

TEST(NdjsonFlag, Raised) {
  FlagRecord flag = stuck_server(Cause::DataUnread);
  flag.dwell = {130s, 4ms};
  flag.unread_bytes = 4096;
  flag.unsent_bytes = 0;
  flag.holders.push_back(holder(4712, "worker", 10));
  EXPECT_EQ(
      line_of(flag),
      std::string(kHead) +
          R"("event":"raised","flag":"CLOSE_WAIT","state":"CLOSE_WAIT","threshold_ns":60000000000,)"
          R"("dwell_ns":130000000000,"error_ns":4000000,"at_most_ns":null,"cause":"data_unread",)"
          R"("unread_bytes":4096,"unsent_bytes":0,"holders":[)"
          R"({"pid":4711,"fd":9,"comm":"python3","state":null},{"pid":4712,"fd":10,"comm":"worker","state":null}],)"
          R"("other_end":null,"queue":null,"ended":null,"pending_error":null,"by_exit":false,)"
          R"("before_exit_ns":null,"slow":false})");
}

TEST(NdjsonFlag, Cleared) {
  EXPECT_EQ(
      line_of(cleared(stuck_server(), 140s)),
      std::string(kHead) +
          R"("event":"cleared","flag":"CLOSE_WAIT","state":"CLOSE_WAIT","threshold_ns":60000000000,)"
          R"("dwell_ns":140000000000,"error_ns":0,"at_most_ns":null,"cause":"eof_read","unread_bytes":null,)"
          R"("unsent_bytes":null,"holders":[],"other_end":null,"queue":null,"ended":null,)"
          R"("pending_error":null,"by_exit":false,"before_exit_ns":null,"slow":false})");
}

TEST(NdjsonFlag, UnknownFieldsAreNull) {
  FlagRecord flag{.when = kWhen, .socket = {}};
  flag.state = State::SynReceived;
  flag.dwell.error.reset();
  const std::string line = line_of(flag);
  for (const char* part : {R"("cookie":null)", R"("owner":null)", R"("cgroup":null)",
                           R"("state":"SYN_RECEIVED")", R"("error_ns":null)", R"("cause":null)",
                           R"("unread_bytes":null)", R"("unsent_bytes":null)", R"("holders":[])"})
    EXPECT_THAT(line, HasSubstr(part));
}

TEST(NdjsonFlag, TheExitOfItsProcess) {
  FlagRecord flag = by_exit(stuck_server(), 1s);
  EXPECT_THAT(line_of(flag), HasSubstr(R"("by_exit":true,"before_exit_ns":null,"slow":false})"));
  flag.before_exit = 3ms;
  EXPECT_THAT(line_of(flag), HasSubstr(R"("by_exit":true,"before_exit_ns":3000000,)"));
  flag = stuck_server();
  flag.slow = true;
  EXPECT_TRUE(line_of(flag).ends_with(R"("slow":true})"));
}

TEST(NdjsonFlag, HowAConnectionEnded) {
  FlagRecord flag = stuck_server(Cause::NotClosed);
  flag.state = State::Closed;
  flag.ended = Ended::ResetReceived;
  flag.pending_error = ECONNRESET;
  EXPECT_THAT(line_of(flag), HasSubstr(R"("flag":"CLOSED","state":"CLOSED")"));
  EXPECT_THAT(line_of(flag), HasSubstr(R"("ended":"reset_received","pending_error":"ECONNRESET")"));
  flag.ended = Ended::Unknown;
  flag.pending_error = 0;
  EXPECT_THAT(line_of(flag), HasSubstr(R"("ended":null,"pending_error":null)"));
}

TEST(NdjsonFlag, EveryCauseHasItsName) {
  for (const auto& [cause, wanted] : {std::pair{Cause::NotAccepted, "not_accepted"},
                                      {Cause::DataUnread, "data_unread"},
                                      {Cause::Sending, "sending"},
                                      {Cause::EofUnread, "eof_unread"},
                                      {Cause::EofRead, "eof_read"},
                                      {Cause::HalfClosed, "half_closed"},
                                      {Cause::Orphaned, "orphaned"},
                                      {Cause::NotClosed, "not_closed"},
                                      {Cause::ConnectFailed, "connect_failed"}})
    EXPECT_THAT(line_of(stuck_server(cause)),
                HasSubstr(std::string(R"("cause":")") + wanted + '"'));
}

TEST(NdjsonFlag, HostileNamesStayInTheirStrings) {
  for (const std::string_view comm : kHostile) {
    FlagRecord flag = stuck_server();
    flag.socket.cgroup = comm;
    flag.holders = {holder(1, comm, 3), holder(2, "a\",\"b", 4)};
    const std::string line = line_of(flag);
    EXPECT_EQ(hostile_byte(line), "") << line;
    EXPECT_THAT(line, HasSubstr(R"({"pid":2,"fd":4,"comm":"a\",\"b","state":null}],)"));
  }
}

TEST(NdjsonFlag, OnlyOthers) {
  Captured captured;
  NdjsonSink sink(captured.output(), Kinds{.flags = false});
  sink.write(stuck_server());
  EXPECT_EQ(captured.text(), "");
}

}  // namespace
}  // namespace tcpdwell
