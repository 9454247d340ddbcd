// SPDX-License-Identifier: Apache-2.0
// Rare lives of connections.
#include <cerrno>

#include "support/pending_story.h"

namespace tcpdwell::life_story {
namespace {

Facts with_old_error(Facts facts, std::uint16_t err) {
  facts.err = err;
  facts.fins_done = true;
  return facts;
}

// The peer closes first, we close a second later; the last ACK comes 1 ms after that.
Conn closed_second(Story& story) {
  return story.server(7).arrives(1s).moves(Established, CloseWait, 2s).closes(CloseWait, 3s);
}

TEST(OldError, DoesNotChangeAnEndByFins) {
  for (const int one : {ECONNRESET, EPIPE, EHOSTUNREACH, ECONNREFUSED, ETIMEDOUT}) {
    const auto err = static_cast<std::uint16_t>(one);
    Story story;
    closed_second(story).moves(LastAck, Closed, 3001ms, with_old_error(orphan(), err));
    EXPECT_EQ(story.life(7).verdict(), "fin, opened by remote, closed by remote") << err;
    EXPECT_EQ(story.life(7).why(Closed), "ack") << err;
  }
}

TEST(OldError, CountsIfOurFinIsNotAcknowledged) {
  Story story;
  closed_second(story).moves(LastAck, Closed, 3001ms, orphan(ETIMEDOUT));
  EXPECT_EQ(story.life(7).verdict(), "timeout, opened by remote, closed by remote");
}

TEST(OldError, DoesNotHideAnOverflow) {
  Story story;
  orphaned(story).moves(FinWait2, Closed, 102ms, with_old_error(orphan(), EHOSTUNREACH));
  story.waits_and_all_is_gone(kAsked);
  EXPECT_EQ(story.life(1).verdict(), "overflow, opened by local, closed by local");
}

TEST(Repair, RestoredSocketHasNoRoleAndNoOpener) {
  Story story;
  story.client(7)
      .connects(0ms, {.pid = kPid, .repair = true})
      .moves(SynSent, Established, 0ms, {.repair = true})
      .moves(Established, CloseWait, 1s)
      .closes(CloseWait, 2s)
      .moves(LastAck, Closed, 2001ms, orphan());
  EXPECT_EQ(story.life(7).verdict(), "fin, opened by unknown, closed by remote");
  EXPECT_EQ(name(story.life(7).last_socket().role), "unknown");
}

TEST(Repair, CloseInRepairModeSendsNothing) {
  for (const State state : {Established, CloseWait}) {
    Story story;
    Conn conn = story.server(7).arrives(1s);
    if (state == CloseWait) conn.moves(Established, CloseWait, 2s);
    Facts facts = closed_by();
    facts.repair = true;
    conn.moves(state, Closed, 3s, facts);
    EXPECT_EQ(name(story.life(7).end().ended), "closed");
    EXPECT_EQ(name(story.life(7).end().closed_by), state == Established ? "none" : "remote");
  }
}

TEST(Repair, RstIsStillReported) {
  Story story;
  story.server(7).arrives(1s).moves(Established, Closed, 2s, {.err = ECONNRESET, .repair = true});
  story.waits(3s);
  EXPECT_EQ(story.life(7).verdict(), "reset_received, opened by remote, closed by remote");
}

constexpr Facts kListens{.pid = kPid, .listen_unsure = true};
constexpr std::uint32_t kKiller = 99;

Conn listens(Story& story) { return story.listener(7).listens(0s, kListens); }

TEST(Listener, IsPublishedOnceListenCannotFail) {
  Story story;
  listens(story);
  EXPECT_EQ(story.life(7).states(), "nothing");
  EXPECT_TRUE(questions(story, 60ms).empty()) << "its port is known";
  EXPECT_EQ(story.life(7).states(), "CLOSED, LISTEN");
}

TEST(Listener, IsPublishedIfClosedAtOnce) {
  Story story;
  listens(story).closes(Listen, 1ms);
  EXPECT_EQ(story.life(7).states(), "CLOSED, LISTEN 1ms, CLOSED");
}

TEST(Listener, IsPublishedWhenTheTraceEnds) {
  Story story;
  listens(story);
  story.finishes(1ms);
  EXPECT_EQ(story.life(7).states(), "CLOSED, LISTEN");
}

TEST(Listener, FailedListenIsNotALife) {
  Story story;
  listens(story).moves(Listen, Closed, 10us, {.pid = kPid, .listen_failed = true});
  story.waits(1s);
  EXPECT_TRUE(story.life(7).unheard_of());
  EXPECT_EQ(story.lifecycle().open(), 0U);
  EXPECT_EQ(story.lifecycle().unseen(), 0U);
}

TEST(Listener, PortIsAskedFor) {
  Story story;
  story.listener(7).local_port(0).listens(0s, kListens);
  InquiryEvent answer = still_in(Listen);
  answer.cookie = 7;
  answer.local.port = 49152;
  is_answered(story, 60ms, answer);
  EXPECT_EQ(story.life(7).states(), "CLOSED, LISTEN");
  EXPECT_EQ(story.life(7).last_socket().flow.local.port, 49152);
}

TEST(Listener, IsPublishedWithoutAnUnknownPort) {
  Story story;
  story.listener(7).local_port(0).listens(0s, kListens);
  is_answered(story, 60ms, nobody_knows());
  EXPECT_EQ(story.life(7).states(), "nothing");
  story.waits(5s);
  EXPECT_EQ(story.life(7).states(), "CLOSED, LISTEN");
}

Conn destroyed_or_shut_down(Story& story) {
  Conn listener = listens(story);
  story.waits(1s);
  return listener.moves(Listen, Closed, 2s, {.pid = kKiller, .may_be_killed = true});
}

TEST(Listener, IsKilledBySockDestroy) {
  Story story;
  destroyed_or_shut_down(story).moves(Closed, Closed, 2s + 5us, {.err = ECONNABORTED});
  EXPECT_EQ(story.life(7).states(), "CLOSED, LISTEN 2000ms, CLOSED");
  EXPECT_EQ(story.life(7).verdict(), "killed, opened by local, closed by none");
  EXPECT_EQ(story.life(7).closer(), "nobody") << "the killer is not the closer";
  EXPECT_EQ(story.life(7).owner(), "42 by listen");
}

TEST(Listener, IsNotKilledByShutdown) {
  Story story;
  destroyed_or_shut_down(story);
  EXPECT_FALSE(story.life(7).over()) << "the next event decides";
  story.waits(3s);
  EXPECT_EQ(story.life(7).states(), "CLOSED, LISTEN 2000ms, CLOSED");
  EXPECT_EQ(story.life(7).verdict(), "closed, opened by local, closed by none");
  EXPECT_EQ(story.life(7).closer(), "99 by close");
}

TEST(Listener, LivesAgainAfterShutdown) {
  Story story;
  destroyed_or_shut_down(story).listens(2100ms, {.pid = kPid, .life = 1, .listen_unsure = true});
  story.waits(3s);
  EXPECT_EQ(story.life(7).verdict(), "closed, opened by local, closed by none");
  EXPECT_EQ(story.life(7, 1).states(), "CLOSED, LISTEN");
}

constexpr Request kNoListener{.retransmits = 0, .listener_closed = true};

TEST(MigratedRequest, IsOneConnection) {
  Story story;
  Conn conn = story.server(7).request_starts(0s).request_expires(1s, kNoListener);
  conn.request_at(0x7000).request_starts(1s + 20us, {.retransmits = 1});
  story.waits_and_all_is_gone(1500ms);
  EXPECT_EQ(story.lifecycle().open(), 1U);
  conn.born(2s).request_cancelled(2s).moves(SynReceived, Established, 2s, {.attached = false});
  EXPECT_EQ(story.life(7).states(), "LISTEN, SYN_RECEIVED 2000ms, ESTABLISHED");
  EXPECT_EQ(ends(story), 0U);
}

TEST(MigratedRequest, IsOneConnectionWithoutRetransmits) {
  Story story;
  Conn conn = story.server(7).request_starts(0s).request_expires(1s, kNoListener);
  conn.request_at(0x7000).request_starts(1s + 20us);
  story.waits_and_all_is_gone(2s);
  EXPECT_EQ(story.lifecycle().open(), 1U);
  EXPECT_EQ(ends(story), 0U);
}

TEST(MigratedRequest, EndsWithANewSyn) {
  for (const bool closed : {false, true}) {
    Story story;
    Conn conn = story.server(7).request_starts(0s).request_expires(1s, {.listener_closed = closed});
    conn.request_at(0x7000).request_starts(1s + 10ms);
    story.waits_and_all_is_gone(2s);
    EXPECT_EQ(ends(story), 1U);
    EXPECT_EQ(story.lifecycle().open(), 1U);
  }
}

TEST(Devices, EqualFlowsOnTwoDevicesAreTwoConnections) {
  Story story;
  story.server(7).on_device(3).request_at(0x7000).request_starts(0ms);
  Conn two = story.server(7).on_device(4).request_at(0x7100).request_starts(10ms);
  EXPECT_EQ(story.lifecycle().open(), 2U);
  const auto answers_at = [](Conn& conn, std::uint64_t socket, Nanos at) {
    conn.socket_at(socket).born(at).request_cancelled(at).moves(SynReceived, Established, at,
                                                                {.attached = false});
  };
  answers_at(two, 0x9100, 100ms);
  EXPECT_EQ(story.life(7).states(), "LISTEN, SYN_RECEIVED 90ms, ESTABLISHED");
  EXPECT_EQ(story.life(7).last_socket().flow.device, 4U);
  EXPECT_EQ(ends(story), 0U) << "the other request is still open";
}

}  // namespace
}  // namespace tcpdwell::life_story
