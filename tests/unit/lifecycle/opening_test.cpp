// SPDX-License-Identifier: Apache-2.0
// All ways in which a connection begins or fails to: connect(), half-open requests, Fast Open,
// listeners. Whole lives, in the order of the kernel's events.
#include <cerrno>

#include "support/conn.h"

namespace tcpdwell::life_story {
namespace {

TEST(Opening, RefusedByAnRst) {
  Story story;
  story.client(1).connects(0ms).moves(SynSent, Closed, 5ms, {.err = ECONNREFUSED});
  EXPECT_EQ(story.life(1).states(), "CLOSED, SYN_SENT 5ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "refused, opened by local, closed by remote");
  EXPECT_EQ(story.life(1).why(SynSent), "connect");
  EXPECT_EQ(story.life(1).why(Closed), "refused");
}

TEST(Opening, TimesOutAfterItsRetries) {
  Story story;
  story.client(1).connects(0ms).sends_syn_again(1s).sends_syn_again(3s).moves(
      SynSent, Closed, 7064ms, {.err = ETIMEDOUT});
  EXPECT_EQ(story.life(1).states(), "CLOSED, SYN_SENT 7064ms, CLOSED");
  EXPECT_EQ(story.life(1).verdict(), "timeout, opened by local, closed by none");
}

TEST(Opening, AbortedByTheApplication) {
  Story story;
  story.client(1).connects(0ms).moves(SynSent, Closed, 300ms, closed_by());
  EXPECT_EQ(story.life(1).verdict(), "closed, opened by local, closed by none");
  EXPECT_EQ(story.life(1).why(Closed), "close");
  EXPECT_EQ(story.life(1).closer(), "42 by close");
}

TEST(Opening, ConnectWithoutPortIsNotAConnection) {
  Story story;
  story.client(1).local_port(0).connects(0ms).moves(SynSent, Closed, 1ms);
  story.finishes(10s);
  ASSERT_EQ(story.records().size(), 1U) << "the failed connect()";
  EXPECT_TRUE(std::holds_alternative<FailedConnectsRecord>(story.records()[0]));
  EXPECT_EQ(story.lifecycle().connections_ended(), 0U);
  EXPECT_EQ(story.lifecycle().open(), 0U);
}

// tcp_tw_reuse with one free port: each try is a pair of transitions; the last one succeeds.
TEST(Opening, TriesForAPortInTimeWaitAreNotLives) {
  Story story;
  Conn conn = story.client(1);
  for (const Nanos at : {0ms, 100ms, 200ms}) {
    Conn without_port = story.client(1);
    without_port.local_port(0).connects(at).moves(SynSent, Closed, at + 1ms);
  }
  conn.connects(300ms).moves(SynSent, Established, 301ms);
  EXPECT_EQ(story.life(1).states(), "CLOSED, SYN_SENT 1ms, ESTABLISHED");
  EXPECT_EQ(story.lifecycle().connections_ended(), 0U);
}

TEST(Opening, RetriesOnOneDescriptorAreSeparateLives) {
  Story story;
  Conn conn = story.client(1);
  conn.connects(0ms).moves(SynSent, Closed, 5ms, {.err = ECONNREFUSED});
  conn.connects(100ms, {.pid = kPid, .life = 1})
      .moves(SynSent, Established, 110ms)
      .moves(Established, CloseWait, 210ms)
      .closes(CloseWait, 220ms)
      .moves(LastAck, Closed, 230ms, orphan());
  EXPECT_EQ(story.life(1, 0).states(), "CLOSED, SYN_SENT 5ms, CLOSED");
  EXPECT_EQ(story.life(1, 1).states(),
            "CLOSED, SYN_SENT 10ms, ESTABLISHED 100ms, CLOSE_WAIT 10ms, LAST_ACK 10ms, CLOSED");
}

TEST(Opening, DisconnectAndReconnect) {
  Story story;
  Conn conn = story.client(1);
  conn.establishes(0ms).vanishes(Established, 100ms, {}).sends_reset(Closed, 100ms);
  conn.connects(200ms, {.pid = kPid, .life = 1}).moves(SynSent, Established, 210ms);
  EXPECT_EQ(story.life(1, 0).verdict(), "reset_sent, opened by local, closed by local");
  EXPECT_EQ(story.life(1, 0).why(Closed), "disconnect");
  EXPECT_EQ(story.life(1, 0).last_socket().flow, conn.flow()) << "known addresses are kept";
  EXPECT_EQ(story.life(1, 1).states(), "CLOSED, SYN_SENT 10ms, ESTABLISHED");
}

TEST(Opening, SimultaneousOpenVisitsSynReceived) {
  Story story;
  story.client(1)
      .connects(0ms)
      .moves(SynSent, SynReceived, 100ms)
      .moves(SynReceived, Established, 408ms);
  EXPECT_EQ(story.life(1).states(), "CLOSED, SYN_SENT 100ms, SYN_RECEIVED 308ms, ESTABLISHED");
  story.finishes(1s);
  EXPECT_EQ(story.life(1).last_socket().role, Role::Client);
}

TEST(Opening, ListenerThatStopsAndListensAgain) {
  Story story;
  story.listener(1)
      .listens(0ms)
      .moves(Listen, Closed, 1s, {.shutdown = 1, .pid = kPid})  // shutdown(SHUT_RD)
      .listens(2s, {.pid = kPid, .life = 1})
      .moves(Listen, Closed, 5s, closed_by());
  EXPECT_EQ(story.life(1, 0).states(), "CLOSED, LISTEN 1000ms, CLOSED");
  EXPECT_EQ(story.life(1, 0).why(Closed), "shutdown");
  EXPECT_EQ(story.life(1, 1).states(), "CLOSED, LISTEN 3000ms, CLOSED");
  EXPECT_EQ(story.life(1, 1).verdict(), "closed, opened by local, closed by none");
  EXPECT_EQ(story.life(1, 1).owner(), "42 by listen");
}

// From 6.18 a child is announced with its own cookie and flow; before, with its listener's.
class Child : public testing::TestWithParam<bool> {
 protected:
  Conn& born(Conn& child, Nanos at) {
    return GetParam() ? child.born(at) : child.born_of(story_.listener(100), at);
  }
  Conn& established(Conn& child, Nanos at, bool fastopen = false) {
    return child.moves(SynReceived, Established, at, {.attached = fastopen, .fastopen = fastopen});
  }
  Story story_;
};
INSTANTIATE_TEST_SUITE_P(Kernels, Child, testing::Bool(), [](const auto& kernel) {
  return kernel.param ? "Since618" : "Before618";
});

TEST_P(Child, OfARequestIsHalfOpenSinceTheSyn) {
  story_.listener(100).listens(0ms);
  Conn child = story_.server(1).request_starts(10ms);
  born(child, 1543ms).request_cancelled(1543ms);
  established(child, 1543ms).accepted(1544ms, 7);
  child.closes(Established, 1643ms, 7);
  EXPECT_EQ(story_.life(1).states(), "LISTEN, SYN_RECEIVED 1533ms, ESTABLISHED 100ms, FIN_WAIT_1");
  EXPECT_EQ(story_.life(1).transitions().front().when.mono, story_.clock(10ms))
      << "the time of the SYN";
  EXPECT_EQ(story_.life(1).owner(), "7 by accept");
  EXPECT_EQ(story_.life(100).states(), "CLOSED, LISTEN") << "the listener's life continues";
  EXPECT_EQ(story_.lifecycle().open(), 2U);
}

TEST_P(Child, IsNotPublishedBeforeItsSecondTransition) {
  Conn child = story_.server(1).request_starts(0ms);
  born(child, 5ms);
  EXPECT_TRUE(story_.records().empty());
}

TEST_P(Child, ManyOfOneListenerAtOnce) {
  for (std::uint64_t cookie : {1, 2, 3}) story_.server(cookie).request_starts(1ms * cookie);
  for (std::uint64_t cookie : {3, 1, 2}) {
    Conn child = story_.server(cookie);
    established(born(child, 100ms).request_cancelled(100ms), 100ms);
  }
  EXPECT_EQ(story_.life(1).states(), "LISTEN, SYN_RECEIVED 99ms, ESTABLISHED");
  EXPECT_EQ(story_.life(2).states(), "LISTEN, SYN_RECEIVED 98ms, ESTABLISHED");
  EXPECT_EQ(story_.life(3).states(), "LISTEN, SYN_RECEIVED 97ms, ESTABLISHED");
  EXPECT_EQ(story_.lifecycle().open(), 3U);
}

TEST_P(Child, OfOneListenerOnTwoCpusInTurn) {
  Conn first = story_.server(1).on_cpu(0), second = story_.server(2).on_cpu(1);
  first.request_starts(0ms);
  second.request_starts(0ms);
  born(first, 10ms);
  born(second, 10ms);
  established(second, 11ms);
  established(first, 12ms);
  EXPECT_EQ(story_.life(1).states(), "LISTEN, SYN_RECEIVED 12ms, ESTABLISHED");
  EXPECT_EQ(story_.life(2).states(), "LISTEN, SYN_RECEIVED 11ms, ESTABLISHED");
}

TEST_P(Child, OfSynCookieHasALowerBound) {
  Conn child = story_.server(1);
  established(born(child, 10ms), 10ms);
  EXPECT_EQ(story_.life(1).states(), "LISTEN, SYN_RECEIVED >=0ms, ESTABLISHED");
  EXPECT_EQ(story_.life(1).why(SynReceived), "syn");
}

TEST_P(Child, OfFastOpenIsAcceptedBeforeItIsEstablished) {
  Conn child = story_.server(1);
  born(child, 10ms).accepted(11ms, 7);
  established(child, 635ms, true);
  EXPECT_EQ(story_.life(1).states(), "LISTEN, SYN_RECEIVED 625ms, ESTABLISHED");
  EXPECT_EQ(story_.life(1).owner(), "7 by accept");
}

TEST_P(Child, OfFastOpenCanBeClosedBeforeItIsEstablished) {
  Conn child = story_.server(1);
  born(child, 10ms).accepted(11ms, 7);
  Facts close = closed_by(7);
  close.fastopen = true;
  child.moves(SynReceived, FinWait1, 635ms, close);
  EXPECT_EQ(story_.life(1).states(), "LISTEN, SYN_RECEIVED 625ms, FIN_WAIT_1");
  EXPECT_EQ(story_.life(1).owner(), "7 by accept");
}

TEST_P(Child, OfFastOpenThatIsReset) {
  Conn child = story_.server(1);
  born(child, 10ms)
      .moves(SynReceived, Closed, 60ms, {.err = ECONNRESET, .attached = false, .fastopen = true});
  story_.waits(1s);
  EXPECT_EQ(story_.life(1).states(), "LISTEN, SYN_RECEIVED 50ms, CLOSED");
  EXPECT_EQ(story_.life(1).verdict(), "reset_received, opened by remote, closed by remote");
}

TEST_P(Child, FailedCreationLeavesTheRequest) {
  Conn child = story_.server(1).request_starts(0ms);
  born(child, 5ms).moves(SynReceived, Closed, 5ms, {.attached = false});
  child.request_expires(1s).request_starts(1s, {.retransmits = 1});
  established(born(child, 1500ms).request_cancelled(1500ms), 1500ms);
  EXPECT_EQ(story_.life(1).states(), "LISTEN, SYN_RECEIVED 1500ms, ESTABLISHED");
}

TEST_P(Child, AtTheAddressOfAnUnfinishedNewborn) {
  Conn lost = story_.server(1).socket_at(0x5000), child = story_.server(2).socket_at(0x5000);
  born(lost, 10ms);
  established(born(child, 20ms), 20ms);
  EXPECT_TRUE(story_.life(1).unheard_of());
  EXPECT_EQ(story_.life(2).states(), "LISTEN, SYN_RECEIVED >=0ms, ESTABLISHED");
  EXPECT_EQ(story_.lifecycle().open(), 1U) << "the previous newborn must not stay";
}

TEST_P(Child, NeverAcceptedWhenItsListenerCloses) {
  Conn child = story_.server(1).request_starts(0ms);
  established(born(child, 1ms).request_cancelled(1ms), 1ms);
  child.moves(Established, Closed, 201ms, {.attached = false}).sends_reset(Closed, 201ms);
  EXPECT_EQ(story_.life(1).states(), "LISTEN, SYN_RECEIVED 1ms, ESTABLISHED 200ms, CLOSED");
  EXPECT_EQ(story_.life(1).verdict(), "reset_sent, opened by remote, closed by local");
  EXPECT_EQ(story_.life(1).owner(), "nobody");
  EXPECT_EQ(story_.life(1).closer(), "nobody");
}

TEST_P(Child, ResetBeforeAcceptEndsIt) {
  Conn child = story_.server(1).request_starts(0ms);
  established(born(child, 1ms).request_cancelled(1ms), 1ms);
  child.moves(Established, Closed, 51ms, {.err = ECONNRESET, .attached = false});
  story_.waits(1s);
  child.accepted(2s, 7);  // accept() still succeeds
  EXPECT_EQ(story_.life(1).verdict(), "reset_received, opened by remote, closed by remote");
  EXPECT_EQ(story_.lifecycle().open(), 0U);
}

TEST(HalfOpen, TimesOutAfterItsRetransmits) {
  Story story;
  story.server(1)
      .request_starts(0ms)
      .request_expires(1015ms)
      .request_starts(1015ms, {.retransmits = 1})
      .request_expires(3031ms, {.retransmits = 1})
      .request_starts(3031ms, {.retransmits = 2})
      .request_expires(7191ms, {.retransmits = 2});
  story.waits_and_all_is_gone(8s);
  const Life life = story.life_from(50001);
  EXPECT_EQ(life.states(), "LISTEN, SYN_RECEIVED 7191ms, CLOSED");
  EXPECT_EQ(life.verdict(), "timeout, opened by remote, closed by none");
  EXPECT_EQ(life.end().tally.value_or(Tally{}).retransmits, 2U);
  EXPECT_EQ(life.end().socket.role, Role::Server);
}

TEST(HalfOpen, RetransmitIsNotAnEnd) {
  Story story;
  story.server(1).request_starts(0ms).request_expires(1s).request_starts(1s, {.retransmits = 1});
  story.waits(2s);
  EXPECT_TRUE(story.records().empty());
  EXPECT_EQ(story.lifecycle().open(), 1U);
}

struct RequestEnd {
  const char* what;
  Request facts;
  const char* verdict;
};
TEST(HalfOpen, EndsWithoutAChild) {
  for (const RequestEnd& end :
       {RequestEnd{"RST",
                   {.canceller = Canceller::Receive},
                   "reset_received, opened by remote, closed by remote"},
        {"ss -K", {.canceller = Canceller::Abort}, "killed, opened by remote, closed by none"},
        {"namespace gone",
         {.canceller = Canceller::Netns},
         "netns, opened by remote, closed by none"},
        {"late ACK to a closed listener",
         {.listener_closed = true},
         "dropped, opened by remote, closed by none"}}) {
    Story story;
    story.server(1).request_starts(0ms).request_cancelled(100ms, end.facts);
    story.waits_and_all_is_gone(1s);
    EXPECT_EQ(story.life_from(50001).states(), "LISTEN, SYN_RECEIVED 100ms, CLOSED") << end.what;
    EXPECT_EQ(story.life_from(50001).verdict(), end.verdict) << end.what;
  }
}

TEST(HalfOpen, RstOfTheListenerCountsOnItsCpuOnly) {
  for (const std::uint32_t cpu : {0U, 1U}) {
    Story story;
    story.listener(100).on_cpu(cpu).sends_reset(Listen, 100ms - 5us);
    story.server(1).request_starts(0ms).request_cancelled(100ms);
    story.waits_and_all_is_gone(1s);
    EXPECT_EQ(story.life_from(50001).verdict(),
              cpu == 0 ? "reset_sent, opened by remote, closed by local"
                       : "reset_received, opened by remote, closed by remote");
  }
}

TEST(HalfOpen, FirstSeenAtARetransmitHasALowerBound) {
  Story story;
  story.server(1).request_starts(0ms, {.retransmits = 3}).request_cancelled(500ms);
  story.waits_and_all_is_gone(1s);
  EXPECT_EQ(story.life_from(50001).states(), "SYN_RECEIVED >=500ms, CLOSED");
}

}  // namespace
}  // namespace tcpdwell::life_story
