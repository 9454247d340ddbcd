// SPDX-License-Identifier: Apache-2.0
// Connections that wait in an accept queue: flagged by the result of a walk through the queues,
// until a process accepts them.
#include <gmock/gmock.h>

#include <functional>
#include <vector>

#include "support/queue_story.h"

namespace tcpdwell::life_story {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(AcceptFlag, IsRaisedOnceAndClearedByAccept) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(1s);
  walk_finds(story, 12s, {queue_of({waits_since(story, conn, 1s)})});
  walk_finds(story, 13s, {queue_of({}, {7})});
  EXPECT_EQ(accept_flags(story), "ACCEPT raised 11000ms");
  conn.accepted(15s);
  EXPECT_EQ(accept_flags(story), "ACCEPT raised 11000ms, ACCEPT cleared 14000ms");
  walk_finds(story, 16s, {});
  EXPECT_EQ(flag_records(story).size(), 2U) << "cleared once";
  EXPECT_EQ(story.lifecycle().flags_raised(), 1U);
  EXPECT_EQ(story.lifecycle().flags_open(), 0U);
}

TEST(AcceptFlag, DescribesTheQueue) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(1s);
  ListenQueue queue = queue_of({waits_since(story, conn, 1s)});
  queue.length = 3;
  queue.syns_dropped = 5;
  queue.counters = ListenCounters{.overflows = 6, .cookies_sent = 7};
  walk_finds(story, 12s, {queue});
  const FlagRecord record = flag(story);
  EXPECT_EQ(record.kind, FlagKind::Accept);
  EXPECT_EQ(record.state, Established);
  EXPECT_EQ(record.cause, Cause::NotAccepted);
  EXPECT_EQ(record.threshold, 10s);
  EXPECT_EQ(record.dwell.error, Nanos{1us});
  EXPECT_EQ(record.socket.cookie, 7U);
  EXPECT_EQ(record.socket.role, Role::Server);
  EXPECT_FALSE(record.socket.owner);
  ASSERT_TRUE(record.queue);
  EXPECT_EQ(record.queue->length, 3U);
  EXPECT_EQ(record.queue->backlog, 2U);
  EXPECT_TRUE(record.queue->is_full());
  EXPECT_EQ(record.queue->syns_dropped, 5U);
  EXPECT_EQ(record.queue->counters->overflows, 6U);
  EXPECT_EQ(record.queue->counters->cookies_sent, 7U);
  EXPECT_THAT(record.queue->should_accept, ElementsAre(43)) << "42 is its parent";
  ASSERT_EQ(record.holders.size(), 2U) << "all holders of the listener";
  EXPECT_EQ(record.holders[0].process.pid, 42U);
}

TEST(AcceptFlag, WaitsForTheThreshold) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(1s);
  walk_finds(story, 10s, {queue_of({waits_since(story, conn, 1s)})});
  EXPECT_EQ(accept_flags(story), "");
  walk_finds(story, 11s, {queue_of({}, {7})});
  EXPECT_EQ(accept_flags(story), "ACCEPT raised 10000ms");
}

TEST(AcceptFlag, IsClearedIfTheNextWalkDoesNotFindIt) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(1s);
  walk_finds(story, 12s, {queue_of({waits_since(story, conn, 1s)})});
  walk_finds(story, 14s, {});
  EXPECT_EQ(accept_flags(story), "ACCEPT raised 11000ms, ACCEPT cleared 13000ms");
}

TEST(AcceptFlag, StaysIfTheWalkDidNotCoverItsNamespace) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(1s);
  walk_finds(story, 12s, {queue_of({waits_since(story, conn, 1s)})});
  walk_begins(story);
  AcceptQueuesEvent elsewhere;
  elsewhere.at = story.clock(13s);
  elsewhere.namespaces = {2};
  story.on(elsewhere);
  ListenQueue partly = queue_of({});
  partly.whole = false;
  walk_finds(story, 14s, {partly});
  EXPECT_EQ(accept_flags(story), "ACCEPT raised 11000ms");
}

TEST(AcceptFlag, IsNotRaisedIfAcceptedDuringTheWalk) {
  Story story(flagging_accept(10s));
  Conn one = story.server(7).arrives(1s), other = story.server(8).arrives(1s);
  walk_begins(story);
  one.accepted(12100ms).closes(Established, 12200ms).moves(FinWait1, Closed, 12300ms, orphan(104));
  walk_ends(story, 12s, {queue_of({waits_since(story, one, 1s), waits_since(story, other, 1s)})});
  ASSERT_EQ(flag_records(story).size(), 1U);
  EXPECT_EQ(flag(story).socket.cookie, 8U);
}

TEST(AcceptFlag, IsNotRaisedIfAcceptedDuringASecondWalk) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(1s);
  walk_begins(story);
  walk_begins(story);
  walk_ends(story, 12s, {});
  conn.accepted(12100ms);
  walk_ends(story, 12s, {queue_of({waits_since(story, conn, 1s)})});
  EXPECT_EQ(accept_flags(story), "");
}

TEST(AcceptFlag, SurvivesTheEndOfTheConnection) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(1s);
  walk_finds(story, 12s, {queue_of({waits_since(story, conn, 1s)})});
  conn.moves(Established, Closed, 13s, {.err = 104, .attached = false});
  story.waits(14s);
  EXPECT_EQ(accept_flags(story), "ACCEPT raised 11000ms") << "no transition clears it";
  walk_finds(story, 15s, {queue_of({}, {7})});
  conn.accepted(16s);
  EXPECT_EQ(accept_flags(story), "ACCEPT raised 11000ms, ACCEPT cleared 15000ms");
  EXPECT_EQ(flag_records(story).back().state, Closed);
}

TEST(AcceptFlag, IsRaisedForAResetBeforeTheTrace) {
  Story story(flagging_accept(10s));
  const Conn conn = story.server(7);
  walk_finds(story, 12s, {queue_of({waits_since(story, conn, 1s, Closed)})});
  EXPECT_EQ(accept_flags(story), "ACCEPT raised 11000ms");
  EXPECT_EQ(flag(story).state, Closed);
  EXPECT_FALSE(flag(story).unread_bytes) << "not known after the end";
}

TEST(AcceptFlag, EndsWithItsListener) {
  Story story(flagging_accept(10s));
  Conn listener = story.listener(kListener).listens(0s);
  Conn late = story.server(8).arrives(2s), early = story.server(7).arrives(1s);
  walk_finds(story, 20s, {queue_of({waits_since(story, late, 2s), waits_since(story, early, 1s)})});
  listener.closes(Listen, 21s);
  EXPECT_EQ(accept_flags(story),
            "ACCEPT raised 18000ms, ACCEPT raised 19000ms, ACCEPT cleared 20000ms, ACCEPT cleared "
            "19000ms")
      << "cleared in the order in which they were queued";
}

TEST(AcceptFlag, IsNotRaisedIfTheListenerClosedDuringTheWalk) {
  Story story(flagging_accept(10s));
  Conn listener = story.listener(kListener).listens(0s);
  Conn conn = story.server(7).arrives(1s);
  walk_begins(story);
  listener.closes(Listen, 12s);
  walk_ends(story, 12s, {queue_of({waits_since(story, conn, 1s)})});
  EXPECT_EQ(accept_flags(story), "");
}

TEST(AcceptFlag, IsTheOnlyFlagOfAnUnacceptedSocket) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(0s).moves(Established, CloseWait, 1s, {.attached = false});
  walk_finds(story, 12s, {queue_of({waits_since(story, conn, 0s, CloseWait)})});
  InquiryEvent answer = still_in(CloseWait);
  answer.attached = false;
  is_answered(story, 62s, answer);
  EXPECT_EQ(accept_flags(story), "ACCEPT raised 12000ms");
  conn.accepted(70s);
  is_answered(story, 71s, still_in(CloseWait));
  EXPECT_EQ(accept_flags(story),
            "ACCEPT raised 12000ms, ACCEPT cleared 70000ms, CLOSE_WAIT raised 70000ms")
      << "the flag of its state is due once it is accepted";
}

TEST(AcceptFlag, UnacceptedCloseWaitIsFlaggedInOlderRecordings) {
  Story story(flagging(CloseWait, 60s));  // without an accept threshold
  story.server(7).arrives(0s).moves(Established, CloseWait, 1s, {.attached = false});
  InquiryEvent answer = still_in(CloseWait);
  answer.attached = false;
  is_answered(story, 62s, answer);
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 61000ms");
  EXPECT_EQ(flag(story).cause, Cause::NotAccepted);
}

// `acceptor` has accepted an earlier connection of the port; the next one waits in `queue`.
std::vector<std::uint32_t> should_accept(std::uint32_t acceptor,
                                         const std::function<void(ListenQueue&)>& change) {
  Story story(flagging_accept(10s));
  story.server(5).arrives(1s).accepted(1s, acceptor);
  Conn conn = story.server(7).arrives(1s);
  ListenQueue queue = queue_of({waits_since(story, conn, 1s)});
  change(queue);
  walk_finds(story, 12s, {queue});
  return flag(story).queue->should_accept;
}

// A server that forks for each connection: each child holds the listener and one connection.
TEST(AcceptFlag, NamesThePreviousAcceptor) {
  EXPECT_THAT(should_accept(42, [](ListenQueue& queue) { queue.accepted = {43}; }),
              ElementsAre(42));
}

// Each worker of nginx has all listeners of its port (SO_REUSEPORT), and waits for one of them.
TEST(AcceptFlag, NamesTheOneThatPollsTheListener) {
  const auto polls = [](ListenQueue& queue) {
    queue.accepted = {43};
    queue.polled_by = {42};
  };
  EXPECT_THAT(should_accept(43, polls), ElementsAre(42));
}

TEST(AcceptFlag, WhoAcceptsFromAnotherListenerOfThePortIsNoEvidence) {
  const auto shares = [](ListenQueue& queue) {
    queue.parents = {{42, 41}, {43, 41}};
    queue.shares_port = true;
  };
  EXPECT_THAT(should_accept(42, shares), ElementsAre(42, 43));
}

TEST(AcceptFlag, OfAListenerInAnotherPidNamespace) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(1s);
  ListenQueue queue = queue_of({waits_since(story, conn, 1s)});
  queue.holders = {held_by(0, 4)};
  queue.holders[0].process.comm = {'a', 'p', 'p'};
  walk_finds(story, 12s, {queue});
  EXPECT_THAT(flag(story).holders, IsEmpty());
  EXPECT_THAT(flag(story).queue->should_accept, IsEmpty());
  ASSERT_TRUE(flag(story).queue->hidden_holder);
  EXPECT_EQ(flag(story).queue->hidden_holder->comm_view(), "app");
}

TEST(AcceptFlag, CountsFromTheFirstWalkIfTheAgeIsUnknown) {
  Story story(flagging_accept(10s));
  Conn conn = story.server(7).arrives(1s);
  QueuedChild child = waits_since(story, conn, 1s);
  child.queued_at = Nanos{0};
  walk_finds(story, 5s, {queue_of({child})});
  walk_finds(story, 14s, {queue_of({child})});
  EXPECT_EQ(accept_flags(story), "");
  walk_finds(story, 16s, {queue_of({}, {7})});
  EXPECT_EQ(text(flag(story).dwell), ">=11000ms");
}

TEST(AcceptFlag, IsFilteredByTheHoldersOfTheListener) {
  for (const std::uint32_t pid : {42U, 44U}) {
    Filter filter;
    filter.pids = {pid};
    Story story(flagging_accept(10s), filter);
    Conn conn = story.server(7).arrives(1s);
    walk_finds(story, 12s, {queue_of({waits_since(story, conn, 1s)})});
    EXPECT_EQ(accept_flags(story), pid == 42 ? "ACCEPT raised 11000ms" : "") << pid;
  }
}

TEST(AcceptFlag, IsFilteredByItsAddresses) {
  for (const std::uint16_t port : {kServerPort, std::uint16_t{81}}) {
    Filter filter;
    filter.local_ports = {port};
    Story story(flagging_accept(10s), filter);
    const Conn conn = story.server(7);
    walk_finds(story, 12s, {queue_of({waits_since(story, conn, 1s)})});
    EXPECT_EQ(accept_flags(story), port == kServerPort ? "ACCEPT raised 11000ms" : "");
  }
}

TEST(AcceptFlag, IsRaisedForTheFollowedCommandOnly) {
  Filter filter;
  filter.followed = true;
  Story story(flagging_accept(1s), filter);
  Conn own = story.server(7), other = story.server(8).arrives(0s);
  own.request_starts(0s).born(1ms).request_cancelled(1ms).moves(
      SynReceived, Established, 1ms, {.attached = false, .followed = true});
  walk_finds(story, 2s, {queue_of({waits_since(story, own, 0s), waits_since(story, other, 0s)})});
  EXPECT_EQ(flag(story).socket.cookie, 7U);
}

TEST(AcceptQueues, AreWalkedInNamespacesWithListeners) {
  Story story(flagging_accept(10s));
  EXPECT_THAT(story.lifecycle().take_listening_namespaces(), IsEmpty());
  story.client(5).establishes(1s);
  EXPECT_THAT(story.lifecycle().take_listening_namespaces(), IsEmpty());
  story.listener(kListener).listens(0s);
  EXPECT_THAT(story.lifecycle().take_listening_namespaces(), ElementsAre(1));
  AcceptQueuesEvent none;
  none.at = story.clock(1s);
  none.namespaces = none.without_listeners = {1};
  story.listener(901).listens(500ms);
  story.on(none);
  EXPECT_THAT(story.lifecycle().take_listening_namespaces(), ElementsAre(1))
      << "a listener began during the walk";
  story.on(none);
  EXPECT_THAT(story.lifecycle().take_listening_namespaces(), IsEmpty());
}

TEST(AcceptQueues, CountConnectionsBelowTheThreshold) {
  LifecycleConfig config;
  config.thresholds.accept = 10s;
  Story story(config);
  const Conn conn = story.server(7);
  AcceptQueuesEvent event;
  event.at = story.clock(12s);
  event.namespaces = {1};
  event.young = 3;
  event.next_queued = story.clock(5s);
  story.on(event);
  auto watched = story.lifecycle().watched_states(story.clock(12s));
  ASSERT_EQ(watched.size(), 1U);
  EXPECT_EQ(watched[0].kind, FlagKind::Accept);
  EXPECT_EQ(watched[0].sockets, 3U);
  EXPECT_EQ(watched[0].oldest, Nanos{7s});
  event.queues = {queue_of({waits_since(story, conn, 1s)})};
  story.on(event);
  watched = story.lifecycle().watched_states(story.clock(12s));
  EXPECT_EQ(watched[0].sockets, 4U);
  EXPECT_EQ(watched[0].oldest, Nanos{11s});
}

TEST(AcceptQueues, IncludeOlderListeners) {
  Story story(flagging_accept(10s));
  story.listener(kListener).found(Listen, 0s);
  EXPECT_THAT(story.lifecycle().take_listening_namespaces(), ElementsAre(1));
}

}  // namespace
}  // namespace tcpdwell::life_story
