// SPDX-License-Identifier: Apache-2.0
// The sentences about descriptors whose connection is over.
#include "sinks/explain_closed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "sinks/explain.h"
#include "support/flags.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;
using testing::Not;

FlagRecord dead(Ended ended, Cause cause = Cause::NotClosed) {
  FlagRecord flag = stuck_server(cause);
  flag.state = State::Closed;
  flag.ended = ended;
  flag.socket.cgroup = {};
  return flag;
}
Explanation of(const FlagRecord& flag) { return explain(group_of(flag)); }

TEST(ExplainClosed, SaysHowTheConnectionEnded) {
  EXPECT_EQ(of(dead(Ended::ResetReceived)).what,
            "the connection was reset by the peer 2m10s ago, and fd 9 of python3[4711] is still "
            "open");
  EXPECT_EQ(of(dead(Ended::Fin)).what,
            "the connection was closed by both sides 2m10s ago, and fd 9 of python3[4711] is still "
            "open");
  EXPECT_THAT(of(dead(Ended::Timeout)).what, HasSubstr("the connection timed out 2m10s ago, and"));
  EXPECT_THAT(of(dead(Ended::Unknown)).what, HasSubstr("the connection ended 2m10s ago, and"));
}

TEST(ExplainClosed, ExplainsAGroup) {
  const FlagRecord flag = dead(Ended::ResetReceived);
  std::vector<FlagRecord> flags(20, flag);
  EXPECT_THAT(explain(group_leaks(flags)[0]).what,
              HasSubstr("20 connections were reset by the peer, the oldest 2m10s ago, and 20 "
                        "descriptors of python3[4711]"));
  flags[0].ended = Ended::Fin;
  EXPECT_THAT(explain(group_leaks(flags)[0]).what, HasSubstr("20 connections ended, the oldest"));
}

TEST(ExplainClosed, UnreadErrorHasItsOwnAdvice) {
  FlagRecord flag = dead(Ended::Unknown);
  EXPECT_EQ(of(flag).next,
            "find where python3 is done with a connection but does not close() it: strace -f -p "
            "4711 -e trace=%network,close");
  EXPECT_THAT(of(dead(Ended::ResetReceived)).next, HasSubstr("handles the error but does not"));
  EXPECT_THAT(of(dead(Ended::Fin)).next, HasSubstr("handles the end of stream but does not"));
  flag.pending_error = ECONNRESET;
  EXPECT_THAT(of(flag).what, HasSubstr("the connection was reset 2m10s ago"));
  EXPECT_THAT(of(flag).what, HasSubstr("; its pending ECONNRESET was never read"));
  EXPECT_THAT(of(flag).next, HasSubstr("make python3 poll its idle connections"));
}

TEST(ExplainClosed, UnreadData) {
  FlagRecord flag = dead(Ended::ResetReceived, Cause::DataUnread);
  flag.unread_bytes = 26;
  EXPECT_THAT(of(flag).what, HasSubstr("; 26 bytes received before that are unread, and fd 9"));
  EXPECT_THAT(of(flag).next, HasSubstr("doing instead of read()"));
}

TEST(ExplainClosed, AFailedConnect) {
  EXPECT_EQ(of(dead(Ended::Unknown, Cause::ConnectFailed)).what,
            "connect() failed 2m10s ago, and fd 9 of python3[4711] is still open");
}

TEST(ExplainClosed, InThePast) {
  const FlagRecord flag = dead(Ended::ResetReceived);
  const std::string text = explain(group_of(flag), false).what;
  EXPECT_THAT(text, HasSubstr("in CLOSED for 2m10s; the connection was reset by the peer, and the "
                              "descriptor was not closed"));
  EXPECT_THAT(explain(group_of(flag), false).next, Not(HasSubstr("strace")));
}

}  // namespace
}  // namespace tcpdwell
