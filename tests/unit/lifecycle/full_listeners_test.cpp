// SPDX-License-Identifier: Apache-2.0
// The full accept queue that made a handshake slow.
#include <gmock/gmock.h>

#include "lifecycle/full_listeners.h"
#include "support/queue_story.h"

namespace tcpdwell::life_story {
namespace {

constexpr std::uint64_t kFullListener = 900, kFullerListener = 901;

FullQueue full_at(const Endpoint& local, std::uint32_t length = 3) {
  FullQueue queue{.listener = kFullListener, .length = length, .backlog = 2};
  queue.flow.local = local;
  queue.flow.netns_cookie = 1;
  return queue;
}

// A client and its server on one address of this host.
struct OnOneHost {
  OnOneHost() {
    client.netns_cookie = server.netns_cookie = 1;
    client.local = server.remote = {.addr = {127, 0, 0, 1}, .port = 40000};
    client.remote = server.local = {.addr = {127, 0, 0, 1}, .port = 80};
  }
  Flow client, server;
};

using testing::Field;
using testing::Optional;

bool found(const FullListeners& all, const Flow& flow, bool at_client, Nanos begin = 1s,
           Nanos end = 3s) {
  return all.during(flow, at_client, begin, end).has_value();
}

TEST(FullListeners, AreThoseOfTheHandshake) {
  const OnOneHost host;
  FullListeners all;
  all.saw(full_at(host.server.local), 2s);
  EXPECT_THAT(all.during(host.client, true, 1s, 3s), Optional(Field(&FullQueue::length, 3U)));
  EXPECT_TRUE(found(all, host.server, false));
  Flow other = host.client;
  other.remote.port = 81;
  EXPECT_FALSE(found(all, other, true));
  other = host.client;
  other.netns_cookie = 2;
  EXPECT_FALSE(found(all, other, true)) << "the same address may be another host's there";
  other = host.client;
  other.remote.addr = {127, 0, 0, 2};
  EXPECT_FALSE(found(all, other, true));
}

TEST(FullListeners, OnAnyAddressAreMetOnlyFromTheSameHost) {
  OnOneHost host;
  FullListeners all;
  all.saw(full_at({.port = 80}), 2s);
  EXPECT_TRUE(found(all, host.client, true));
  EXPECT_TRUE(found(all, host.server, false));
  host.client.remote.addr = {10, 0, 0, 7};
  EXPECT_FALSE(found(all, host.client, true)) << "10.0.0.7 may be another host";
}

TEST(FullListeners, CountOnlyDuringTheHandshake) {
  const OnOneHost host;
  FullListeners all;
  all.saw(full_at(host.server.local), 2s);
  EXPECT_TRUE(found(all, host.client, true, 2s, 2s));
  EXPECT_FALSE(found(all, host.client, true, 2001ms, 3s));
  EXPECT_FALSE(found(all, host.client, true, 1s, 1999ms));
  all.saw(full_at({.port = 81}), 2s + 4min);
  EXPECT_FALSE(found(all, host.client, true)) << "forgotten";
}

TEST(FullListeners, TheFullestCounts) {
  const OnOneHost host;
  FullListeners all;
  FullQueue fuller = full_at(host.server.local, 9);
  fuller.listener = kFullerListener;
  all.saw(fuller, 2s);
  all.saw(full_at(host.server.local), 2s);
  EXPECT_THAT(all.during(host.client, true, 1s, 3s),
              Optional(Field(&FullQueue::listener, kFullerListener)));
}

// The whole way: a walk finds the queue, and the end of the handshake is published with it.
TEST(FullListeners, AreInTheRecordOfASlowHandshake) {
  Story story(flagging_accept(10s));
  Conn conn = story.client(1).connects(0ms);
  ListenQueue queue = queue_of({});
  queue.flow.local = conn.flow().remote;
  queue.length = 3;
  walk_finds(story, 1s, {queue});
  conn.sends_syn_again(1s).moves(SynSent, Established, 3010ms, {.syns_sent = 3});
  const auto full = story.life(1).full_queue(SynSent);
  ASSERT_TRUE(full);
  EXPECT_EQ(full->listener, kListener);
  EXPECT_EQ(full->backlog, 2U);
}

TEST(FullListeners, SayNothingOfAFastHandshake) {
  Story story(flagging_accept(10s));
  Conn conn = story.client(1).connects(0ms);
  ListenQueue queue = queue_of({});
  queue.flow.local = conn.flow().remote;
  queue.length = 3;
  walk_finds(story, 1s, {queue});
  conn.moves(SynSent, Established, 3010ms, {.syns_sent = 1});
  EXPECT_FALSE(story.life(1).full_queue(SynSent));
}

}  // namespace
}  // namespace tcpdwell::life_story
