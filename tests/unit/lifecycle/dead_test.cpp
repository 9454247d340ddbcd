// SPDX-License-Identifier: Apache-2.0
// CLOSED: a descriptor that is still open after its connection has ended.
#include <gtest/gtest.h>

#include <cerrno>

#include "support/dead_story.h"

namespace tcpdwell::life_story {
namespace {

constexpr Facts kReset{.err = ECONNRESET, .shutdown = 3};

// Reset by the peer at `at`, while a process holds it.
Conn reset(Story& story, Nanos at, std::uint64_t cookie = 7) {
  Conn client = story.client(cookie).establishes(0ms).moves(Established, Closed, at, kReset);
  story.waits(at + 400ms);  // no RST of ours follows
  return client;
}

TEST(DeadDescriptor, IsFlaggedAfterItsThreshold) {
  Story story(flagging(Closed, 10s));
  Conn client = reset(story, 1s);
  EXPECT_TRUE(story.life(7).over()) << "the connection is published at once";
  EXPECT_EQ(look_due(story), 11s);
  walks(story, 5s, {held(story, client, 1s)});
  EXPECT_EQ(flags(story), "") << "a scan before the threshold";
  EXPECT_EQ(look_due(story), 11s);
  walks(story, 11100ms, {held(story, client, 1s)});
  EXPECT_EQ(flags(story), "CLOSED raised 10100ms");
  const FlagRecord raised = flag(story);
  EXPECT_EQ(raised.cause, Cause::NotClosed);
  EXPECT_EQ(raised.ended, Ended::ResetReceived);
  EXPECT_EQ(raised.threshold, 10s);
  EXPECT_EQ(raised.unread_bytes, 0U);
  EXPECT_EQ(raised.socket.role, Role::Client);
  EXPECT_EQ(text(raised.socket.owner), "42 by connect");
  ASSERT_EQ(raised.holders.size(), 1U);
  EXPECT_EQ(raised.holders[0].process.pid, kPid);
  EXPECT_EQ(story.lifecycle().flags_open(), 1U);
}

TEST(DeadDescriptor, IsNotFlaggedIfClosedInTime) {
  Story story(flagging(Closed, 10s));
  reset(story, 1s);
  walks(story, 11100ms, {});
  EXPECT_EQ(flags(story), "");
  EXPECT_EQ(look_due(story), std::nullopt) << "no descriptor is left";
}

TEST(DeadDescriptor, IsClearedWhenItIsClosed) {
  Story story(flagging(Closed, 10s));
  Conn client = reset(story, 1s);
  walks(story, 12s, {held(story, client, 1s)});
  EXPECT_EQ(look_due(story), 22s) << "a flagged descriptor is scanned for again";
  walks(story, 22s, {held(story, client, 1s)});
  walks(story, 32s, {});
  EXPECT_EQ(flags(story), "CLOSED raised 11000ms, CLOSED cleared 26000ms+-5000ms")
      << "between the two scans";
  EXPECT_EQ(story.lifecycle().flags_open(), 0U);
  EXPECT_EQ(look_due(story), std::nullopt);
}

TEST(DeadDescriptor, IsClearedByItsNextLife) {
  Story story(flagging(Closed, 10s));
  Conn client = reset(story, 1s);
  walks(story, 12s, {held(story, client, 1s)});
  client.connects(13s, {.pid = kPid, .life = 1});
  EXPECT_EQ(flags(story), "CLOSED raised 11000ms, CLOSED cleared 12000ms");
  walks(story, 14s, {held(story, client, 1s)});  // read before the connect()
  EXPECT_EQ(flag_records(story).size(), 2U);
}

TEST(DeadDescriptor, IsFlaggedAtOnceAfterAnotherFlag) {
  LifecycleConfig config = flagging(CloseWait, 5s);
  config.thresholds.set(Closed, 60s);
  Story story(config);
  Conn server = story.server(7).arrives(0ms).accepted(1ms).moves(Established, CloseWait, 1s);
  is_answered(story, 6100ms, still_in(CloseWait));
  server.moves(CloseWait, Closed, 20s, {.err = EPIPE, .shutdown = 3});  // of a keepalive
  story.waits(20400ms);
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 5100ms, CLOSE_WAIT cleared 19000ms");
  ASSERT_TRUE(look_due(story));
  EXPECT_LE(*look_due(story), 20500ms);
  walks(story, 20500ms, {held(story, server, 20s)});
  EXPECT_EQ(flags(story),
            "CLOSE_WAIT raised 5100ms, CLOSE_WAIT cleared 19000ms, CLOSED raised 500ms");
}

TEST(DeadDescriptor, IsNotFlaggedWhileDataIsRead) {
  Story story(flagging(Closed, 10s));
  Conn client = reset(story, 1s);
  DeadSocket slow = held(story, client, 8s);  // the last read
  slow.active_exact = false;
  slow.unread = 4096;
  walks(story, 11s, {slow});
  EXPECT_EQ(flags(story), "");
  EXPECT_EQ(look_due(story), 18s);
  walks(story, 18s, {slow});
  EXPECT_EQ(flags(story), "CLOSED raised 17000ms") << "no process reads it any more";
  EXPECT_EQ(flag(story).cause, Cause::DataUnread);
  EXPECT_EQ(flag(story).unread_bytes, 4096U);
}

TEST(DeadDescriptor, IsTrackedBesideItsMinisock) {
  Story story(flagging(Closed, 10s));
  Conn client = story.client(7).establishes(0ms);
  client.moves(Established, FinWait1, 1s, half_closed_by()).moves(FinWait1, FinWait2, 1s);
  client.minisock_starts(TimeWait, 2s).moves(FinWait2, Closed, 2s, {.shutdown = 3});
  walks(story, 12s, {held(story, client, 2s)});
  EXPECT_EQ(flags(story), "CLOSED raised 10000ms");
  EXPECT_EQ(flag(story).ended, Ended::Fin);
  EXPECT_FALSE(story.life(7).over()) << "still in TIME_WAIT";
}

TEST(DeadDescriptor, IsNeverAnOrphanOrListener) {
  Story story(flagging(Closed, 10s));
  story.client(1).establishes(0ms).moves(Established, FinWait1, 1s, closed_by());
  story.client(1).moves(FinWait1, Closed, 2s, orphan(ETIMEDOUT));
  story.client(2).establishes(0ms).moves(Established, Closed, 1s, closed_by());
  story.listener(3).listens(0ms).moves(Listen, Closed, 1s, {.pid = kPid});
  story.waits(3s);
  EXPECT_EQ(look_due(story), std::nullopt);
}

TEST(DeadDescriptor, OfFailedConnectHasItsOwnCause) {
  Story story(flagging(Closed, 10s));
  Conn client = story.client(7).connects(0ms);
  client.moves(SynSent, Closed, 1s, {.err = ECONNREFUSED, .shutdown = 3});
  DeadSocket found = held(story, client, 1s);
  found.connect_failed = true;
  found.err = ECONNREFUSED;
  walks(story, 12s, {found});
  EXPECT_EQ(flag(story).cause, Cause::ConnectFailed);
  EXPECT_EQ(flag(story).unread_bytes, std::nullopt);
  EXPECT_EQ(flag(story).pending_error, ECONNREFUSED);
}

TEST(DeadDescriptor, OlderThanTheTraceIsDatedByTheKernel) {
  Story story(flagging(Closed, 10s));
  const Conn older = story.client(7);
  walks(story, 1s, {held(story, older, -9500ms)});
  EXPECT_EQ(flags(story), "CLOSED raised 10500ms+-0.001ms");
  EXPECT_EQ(flag(story).socket.owner->via, Via::Fd);
  EXPECT_EQ(flag(story).socket.role, Role::Unknown);
}

TEST(DeadDescriptor, OlderThanTheTraceWaitsForItsThreshold) {
  Story story(flagging(Closed, 10s));
  const Conn older = story.client(7);
  walks(story, 1s, {held(story, older, -1s)});
  EXPECT_EQ(flags(story), "");
  EXPECT_EQ(look_due(story), 9s);
}

DeadSocket of_unknown_end(Story& story, Nanos active) {
  DeadSocket socket = held(story, story.client(7), active);
  socket.active_exact = false;
  socket.received_ago = story.hz() * 100;
  socket.sent_ago = story.hz() * 20;
  return socket;
}

TEST(DeadDescriptor, OfUnknownEndIsFlaggedByLeaks) {
  LifecycleConfig config = flagging(Closed, 10s);
  config.flags_uncertain = true;
  Story story(config);
  walks(story, 1s, {of_unknown_end(story, -2s)});
  EXPECT_EQ(flags(story), "CLOSED raised >=3000ms");
  const FlagRecord raised = flag(story);
  ASSERT_TRUE(raised.at_most);
  EXPECT_GE(*raised.at_most, 20s);
  EXPECT_LE(*raised.at_most, 20s + 10ms);
  EXPECT_FALSE(is_leak(raised));
}

TEST(DeadDescriptor, OfUnknownEndWaitsInATrace) {
  Story story(flagging(Closed, 10s));
  walks(story, 1s, {of_unknown_end(story, -2s)});
  EXPECT_EQ(flags(story), "");
  walks(story, 9s, {of_unknown_end(story, -2s)});
  EXPECT_EQ(flags(story), "CLOSED raised >=11000ms");
}

TEST(DeadDescriptor, IsIgnoredIfTheSocketIsInUse) {
  Story story(flagging(Closed, 10s));
  Conn client = story.client(7).establishes(0ms);
  walks(story, 30s, {held(story, client, -10s)});
  EXPECT_EQ(flags(story), "");
}

TEST(DeadDescriptor, OfAnotherNamespaceIsHidden) {
  Filter filter;
  filter.netns = 1;
  Story story(flagging(Closed, 10s), filter);
  walks(story, 1s, {held(story, story.client(7), -1h)});
  EXPECT_EQ(flags(story), "");
}

TEST(DeadDescriptor, WaitsForItsCgroupPath) {
  Filter filter;
  filter.cgroup = "/a";
  Story story(flagging(Closed, 10s), filter);
  DeadSocket found = held(story, story.client(7), -1h);
  found.sock_cgroup_id = 5;
  walks(story, 1s, {found});
  EXPECT_EQ(flags(story), "");
  EXPECT_EQ(look_due(story), 1100ms);
  story.names_cgroup(5, "/a/b", 1050ms);
  walks(story, 1100ms, {found});
  EXPECT_EQ(flag_records(story).size(), 1U);
}

TEST(DeadDescriptor, IsNotScannedForWithoutThreshold) {
  Story story(flagging(CloseWait, 10s));
  Conn client = reset(story, 1s);
  EXPECT_FALSE(story.lifecycle().watches_descriptors());
  EXPECT_EQ(look_due(story), std::nullopt);
  walks(story, 1h, {held(story, client, 1s)});
  EXPECT_EQ(flags(story), "");
}

TEST(DeadDescriptor, IsFoundByAScanIfTheTableWasFull) {
  DeadDescriptors all;
  for (std::uint64_t cookie = 1; cookie <= DeadDescriptors::kMost; ++cookie)
    EXPECT_TRUE(all.add({.socket = {.cookie = cookie, .cgroup = {}}, .due = 1h}));
  EXPECT_FALSE(all.add({.socket = {.cookie = 1U << 30U, .cgroup = {}}, .due = 1s}));
  EXPECT_EQ(all.due(10s), 1h);
  all.want_look(2s);
  EXPECT_EQ(all.due(10s), 2s);
  all.looked(3s, [](const auto&) {});
  EXPECT_EQ(all.due(10s), std::nullopt) << "no entry was found";
}

}  // namespace
}  // namespace tcpdwell::life_story
