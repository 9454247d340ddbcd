// SPDX-License-Identifier: Apache-2.0
// Owners of stuck sockets whose opening was not seen, and sockets closed by the exit of a process
// (`run`).
#include "support/flag_story.h"

namespace tcpdwell::life_story {
namespace {

HoldersEvent holders_of(std::uint64_t cookie, const std::vector<Holder>& holders) {
  HoldersEvent event;
  for (const Holder& holder : holders) event.holdings.push_back({cookie, holder});
  return event;
}

// Stuck since before the trace, closed at 10 s: the close shows the owner.
std::string owner_after(const HoldersEvent& event) {
  Story story;
  Conn socket = story.server(7).found(CloseWait, 0ms);
  story.on(event);
  socket.moves(CloseWait, LastAck, 10s);
  return story.life(7).owner();
}

TEST(Holders, OnlyProcessIsTheOwner) {
  EXPECT_EQ(owner_after(holders_of(7, {held_by(42, 3), held_by(42, 4)})), "42 by fd");
}

TEST(Holders, SeveralOrInvisibleHoldersGiveNoOwner) {
  EXPECT_EQ(owner_after(holders_of(7, {held_by(42), held_by(43)})), "nobody");
  EXPECT_EQ(owner_after(holders_of(7, {held_by(0)})), "nobody") << "in another pid namespace";
  EXPECT_EQ(owner_after(holders_of(7, {held_by(42), held_by(0)})), "nobody");
  EXPECT_EQ(owner_after(holders_of(7, {held_by(0), held_by(42)})), "nobody");
  EXPECT_EQ(owner_after(holders_of(7, {})), "nobody");
}

TEST(Holders, ComeInAnyOrder) {
  HoldersEvent event;
  for (const std::uint32_t pid : {42U, 43U})
    for (const std::uint64_t cookie : {8U, 7U}) event.holdings.push_back({cookie, held_by(pid)});
  event.holdings.push_back({6, held_by(44)});
  Story story;
  Conn last = story.server(6).found(CloseWait, 0ms), shared = story.server(7).found(CloseWait, 0ms);
  story.on(event);
  last.moves(CloseWait, LastAck, 10s);
  shared.moves(CloseWait, LastAck, 10s);
  EXPECT_EQ(story.life(6).owner(), "44 by fd");
  EXPECT_EQ(story.life(7).owner(), "nobody") << "two processes hold it";
}

TEST(Holders, DoNotReplaceTheOpener) {
  Story story;
  Conn client = story.client(1).establishes(0ms);
  story.on(holders_of(1, {held_by(77)}));
  client.closes(Established, 1s);
  EXPECT_EQ(story.life(1).owner(), "42 by connect");
}

TEST(Holders, AreReplacedByTheAcceptor) {
  Story story;
  Conn child = story.server(7).found(Established, 0ms);
  story.on(holders_of(7, {held_by(77)}));
  child.accepted(1s, 42).moves(Established, CloseWait, 2s);
  EXPECT_EQ(story.life(7).owner(), "42 by accept");
}

TEST(Holders, DecideTheFilterOfASocketWithoutOwner) {
  Filter filter;
  filter.pids = {42};
  Story story({}, filter);
  Conn mine = story.server(7).found(Established, 0ms);
  Conn other = story.server(8).found(Established, 0ms);
  HoldersEvent event = holders_of(7, {held_by(42)});
  event.holdings.push_back({8, held_by(43)});
  story.on(event);
  mine.moves(Established, CloseWait, 1s);
  other.moves(Established, CloseWait, 1s);
  EXPECT_FALSE(story.life(7).unheard_of());
  EXPECT_TRUE(story.life(8).unheard_of());
}

TEST(Holders, InAnAnswerGiveAnOwnerOnlyToAnAttachedSocket) {
  for (const bool attached : {true, false}) {
    Story story(flagging(CloseWait, 60s));
    story.server(7).found(CloseWait, 0ms);
    InquiryEvent answer = still_in(CloseWait);
    answer.attached = attached;
    answer.holders = {held_by(42)};
    is_answered(story, 61s, answer);
    EXPECT_EQ(text(flag(story).socket.owner), attached ? "42 by fd" : "nobody");
    EXPECT_EQ(flag(story).holders.size(), 1U) << "shown in any case";
    EXPECT_EQ(flag(story).cause, attached ? Cause::EofRead : Cause::NotAccepted);
  }
}

TEST(Holders, LateCgroupPathStillDecides) {
  Filter filter;
  filter.cgroup = "/a";
  Story story(flagging(CloseWait, 1s), filter);
  story.server(7).in_cgroup(5).arrives(0ms).accepted(1ms, 42, 5).moves(Established, CloseWait, 1s);
  is_answered(story, 2010ms, still_in(CloseWait));
  EXPECT_EQ(flags(story), "");
  story.names_cgroup(5, "/a/b", 2100ms);
  is_answered(story, 2200ms, still_in(CloseWait));
  EXPECT_EQ(flags(story), "CLOSE_WAIT raised 1200ms");
}

LifecycleConfig with_exit_grace() {
  LifecycleConfig config = flagging(CloseWait, 1s);
  config.exit_grace = 100ms;
  return config;
}
Conn left_open(Story& story) {
  return story.server(7).arrives(0ms).accepted(1ms).moves(Established, CloseWait, 1s);
}
Facts exits() {
  Facts facts = closed_by();
  facts.exiting = facts.by_followed = true;
  return facts;
}

TEST(FlagByExit, IsRaisedForACloseWaitClosedByExit) {
  Story story(with_exit_grace());
  left_open(story).moves(CloseWait, LastAck, 1100ms, exits());
  EXPECT_EQ(flags(story), "CLOSE_WAIT by exit 100ms");
  const FlagRecord raised = flag(story);
  EXPECT_TRUE(raised.raised);
  EXPECT_EQ(raised.threshold, 100ms);
  EXPECT_EQ(raised.cause, Cause::EofRead);
  EXPECT_EQ(raised.unread_bytes, 0U);
  EXPECT_EQ(raised.unsent_bytes, std::nullopt) << "not in the transition";
  EXPECT_EQ(raised.when.mono, story.clock(1100ms));
  story.finishes(2s);
  EXPECT_EQ(flag_records(story).size(), 1U) << "no flag to clear";
  EXPECT_EQ(story.lifecycle().flags_raised(), 1U);
  EXPECT_EQ(story.lifecycle().flags_open(), 0U);
}

TEST(FlagByExit, TakesTheCauseFromTheTransition) {
  const auto cause = [](std::uint32_t receive_queue, bool unacked) {
    Story story(with_exit_grace());
    Facts facts = exits();
    facts.receive_queue = receive_queue;
    facts.unacked = unacked;
    left_open(story).moves(CloseWait, LastAck, 1500ms, facts);
    return flag(story).cause;
  };
  EXPECT_EQ(cause(1, false), Cause::EofUnread);
  EXPECT_EQ(cause(0, true), Cause::Sending);
  EXPECT_EQ(cause(6, true), Cause::DataUnread);
}

TEST(FlagByExit, IsNotRaisedForAnUnacceptedSocket) {
  Story story(with_exit_grace());
  Facts facts = exits();
  facts.attached = false;
  left_open(story).moves(CloseWait, Closed, 1500ms, facts);
  EXPECT_EQ(flags(story), "");
}

TEST(FlagByExit, IsNotRaisedForTheExitOfAnotherProcess) {
  Story story(with_exit_grace());
  Facts facts = exits();
  facts.by_followed = false;
  left_open(story).moves(CloseWait, LastAck, 1500ms, facts);
  EXPECT_EQ(flags(story), "");
}

TEST(FlagByExit, IsRaisedForADirectEndWithUnreadData) {
  Story story(with_exit_grace());
  Facts facts = exits();
  facts.receive_queue = 6;
  left_open(story).moves(CloseWait, Closed, 1500ms, facts).sends_reset(Closed, 1500ms);
  EXPECT_EQ(flags(story), "CLOSE_WAIT by exit 500ms");
  EXPECT_EQ(flag(story).unread_bytes, 5U);
}

TEST(FlagByExit, IsNotRaisedForACloseByTheProcess) {
  Story story(with_exit_grace());
  left_open(story).closes(CloseWait, 1900ms);
  EXPECT_EQ(flags(story), "");
}

TEST(FlagByExit, IsNotRaisedWithinTheGraceTime) {
  Story story(with_exit_grace());
  left_open(story).moves(CloseWait, LastAck, 1099ms, exits());
  EXPECT_EQ(flags(story), "");
}

TEST(FlagByExit, IsNotRaisedForEstablished) {
  Story story(with_exit_grace());
  story.client(1).establishes(0ms).moves(Established, FinWait1, 1h, exits());
  EXPECT_EQ(flags(story), "");
}

TEST(FlagByExit, FollowsARaisedFlag) {
  Story story(with_exit_grace());
  Conn socket = left_open(story);
  is_answered(story, 2010ms, still_in(CloseWait));
  socket.moves(CloseWait, LastAck, 3s, exits());
  EXPECT_EQ(flags(story),
            "CLOSE_WAIT raised 1010ms, CLOSE_WAIT by exit 2000ms, CLOSE_WAIT cleared 2000ms");
  EXPECT_EQ(story.lifecycle().flags_raised(), 1U);
}

TEST(FlagByExit, IsRaisedByRunOnly) {
  Story story(flagging(CloseWait, 1s));
  left_open(story).moves(CloseWait, LastAck, 1500ms, exits());
  EXPECT_EQ(flags(story), "");
}

TEST(FlagByExit, IsRaisedForSocketsOfTheCommandOnly) {
  Filter filter;
  filter.followed = true;
  for (const bool followed : {true, false}) {
    Story story(with_exit_grace(), filter);
    Conn socket = story.server(7).arrives(0ms).accepted(1ms);
    socket.moves(Established, CloseWait, 1s, {.followed = followed});
    socket.moves(CloseWait, LastAck, 1500ms, exits());
    EXPECT_EQ(flags(story), followed ? "CLOSE_WAIT by exit 500ms" : "");
  }
}

}  // namespace
}  // namespace tcpdwell::life_story
