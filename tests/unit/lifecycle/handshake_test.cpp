// SPDX-License-Identifier: Apache-2.0
// How often a handshake sent its SYN or SYN-ACK. 0: not known.
#include <cerrno>

#include "support/conn.h"

namespace tcpdwell::life_story {
namespace {

constexpr Facts kThreeSyns{.syns_sent = 3};
constexpr Facts kTwoSynAcks{.attached = false, .syns_sent = 2};

TEST(Handshake, OfAClient) {
  Story story;
  Conn conn = story.client(1).connects(0ms);
  conn.sends_syn_again(1s).sends_syn_again(3s).moves(SynSent, Established, 3010ms, kThreeSyns);
  conn.moves(Established, CloseWait, 4s);
  EXPECT_EQ(story.life(1).syns_sent(SynSent), 3U);
  EXPECT_EQ(story.life(1).syns_sent(Closed), 0U) << "not at the end of a handshake";
  EXPECT_EQ(story.life(1).syns_sent(Established), 0U) << "not at the end of a handshake";
}

// The kernel's number does not depend on our events.
TEST(Handshake, OfAClientWhoseEventsWereLost) {
  Story story;
  Conn conn = story.client(1).connects(0ms);
  story.loses(1, 500ms);
  conn.moves(SynSent, Established, 3010ms, kThreeSyns);
  EXPECT_EQ(story.life(1).syns_sent(SynSent), 3U);
}

TEST(Handshake, OfAClientInAnOlderRecordingIsNotKnown) {
  Story story;
  story.client(1).connects(0ms).sends_syn_again(1s).moves(SynSent, Established, 1010ms);
  EXPECT_EQ(story.life(1).syns_sent(SynSent), 0U);
}

TEST(Handshake, ThatTimesOut) {
  Story story;
  story.client(1).connects(0ms).moves(SynSent, Closed, 7064ms,
                                      {.err = ETIMEDOUT, .tally = Tally{.retransmits = 2}});
  EXPECT_EQ(story.life(1).syns_sent(SynSent), 3U);
}

TEST(Handshake, ThatEndsWithoutCounters) {
  Story story;
  story.client(1).connects(0ms).moves(SynSent, Closed, 7064ms, {.err = ETIMEDOUT});
  EXPECT_EQ(story.life(1).syns_sent(SynSent), 0U);
}

TEST(Handshake, RestoredByRepairSentNone) {
  Story story;
  Facts repaired = {.pid = kPid};
  repaired.repair = true;
  Conn conn = story.client(1).connects(0ms, repaired);
  repaired.syns_sent = 1;
  conn.moves(SynSent, Established, 1ms, repaired);
  EXPECT_EQ(story.life(1).syns_sent(SynSent), 0U);
}

// One counter has the SYNs and the SYN-ACKs.
TEST(Handshake, OfASimultaneousOpenIsNotKnown) {
  Story story;
  Conn conn = story.client(1).connects(0ms);
  conn.moves(SynSent, SynReceived, 100ms).moves(SynReceived, Established, 408ms, kTwoSynAcks);
  EXPECT_EQ(story.life(1).syns_sent(SynReceived), 0U);
}

TEST(Handshake, OfAServer) {
  Story story;
  Conn conn = story.server(1).request_starts(0ms).request_expires(1s);
  conn.request_starts(1s, {.retransmits = 1}).born(1500ms).request_cancelled(1500ms);
  conn.moves(SynReceived, Established, 1500ms, kTwoSynAcks);
  EXPECT_EQ(story.life(1).syns_sent(SynReceived), 2U);
}

TEST(Handshake, WithASynCookieIsNotKnown) {
  Story story;
  Conn conn = story.server(1).born(1500ms);
  conn.moves(SynReceived, Established, 1500ms, {.attached = false, .syns_sent = 1});
  EXPECT_EQ(story.life(1).syns_sent(SynReceived), 0U);
}

TEST(Handshake, OfAServerIsNotKnownAfterALoss) {
  Story story;
  Conn conn = story.server(1).request_starts(0ms);
  story.loses(1, 500ms);
  conn.born(1500ms).request_cancelled(1500ms);
  conn.moves(SynReceived, Established, 1500ms, kTwoSynAcks);
  EXPECT_EQ(story.life(1).syns_sent(SynReceived), 0U)
      << "another request, or a SYN cookie, may have had this flow";
}

TEST(Handshake, HalfOpenThatIsNeverAnswered) {
  Story story;
  Conn conn = story.server(1).request_starts(0ms).request_expires(1s);
  conn.request_starts(1s, {.retransmits = 1}).request_expires(3s, {.retransmits = 1});
  // The SYN came again, and its SYN-ACK made no event: the timer stayed in its bucket.
  conn.request_starts(3s, {.retransmits = 2}).request_expires(7s, {.retransmits = 3});
  story.waits_and_all_is_gone(10s);
  EXPECT_EQ(story.life_from(50001).syns_sent(SynReceived), 4U);
  EXPECT_EQ(story.life_from(50001).end().tally.value_or(Tally{}).retransmits, 3U);
}

}  // namespace
}  // namespace tcpdwell::life_story
