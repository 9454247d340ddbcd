// SPDX-License-Identifier: Apache-2.0
// What `top` knows of the table.
#include "top/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/flags.h"
#include "support/top.h"

namespace tcpdwell::top_story {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::uint16_t> ports(const top::Look& look) {
  std::vector<std::uint16_t> all;
  for (const top::Row& row : look.rows) all.push_back(row.flow.local.port);
  return all;
}

std::vector<std::string> sums(const top::Look& look) {
  std::vector<std::string> all;
  for (const top::Sum& sum : look.sums) all.push_back(sum.text + ' ' + std::to_string(sum.all));
  return all;
}

void sort_by(Watched& watched, top::Sort sort, bool reverse = false) {
  watched.model.ask({.query = {.match = {}, .sort = sort, .reverse = reverse, .by = {}}});
}

TEST(TopModel, CountsAndSortsByAge) {
  Watched watched;
  watched.connects(2, 1s);
  watched.connects(1, 2s);
  watched.connects(3, 3s);
  watched.peer_closes(2, 4s);
  watched.wait(10s);
  const top::Look& look = watched.model.look();
  EXPECT_EQ(look.now[index(State::Established)], 2U);
  EXPECT_EQ(look.now[index(State::CloseWait)], 1U);
  EXPECT_EQ(look.open, 3U);
  EXPECT_THAT(ports(look), ElementsAre(20001, 20003, 20002)) << "oldest in its state first";
  EXPECT_EQ(look.rows[2].age.value, 6s);
  EXPECT_EQ(look.rows[2].owner, "app[42]");
}

TEST(TopModel, Sorts) {
  Watched watched;
  watched.connects(3, 1s, "b");
  watched.connects(1, 2s, "c");
  watched.connects(2, 3s, "a");
  watched.peer_closes(1, 4s);
  watched.wait(10s);
  sort_by(watched, top::Sort::LocalPort);
  EXPECT_THAT(ports(watched.model.look()), ElementsAre(20001, 20002, 20003));
  sort_by(watched, top::Sort::LocalPort, true);
  EXPECT_THAT(ports(watched.model.look()), ElementsAre(20003, 20002, 20001));
  sort_by(watched, top::Sort::Owner);
  EXPECT_THAT(ports(watched.model.look()), ElementsAre(20002, 20003, 20001));
  sort_by(watched, top::Sort::State);
  EXPECT_THAT(ports(watched.model.look()), ElementsAre(20003, 20002, 20001));
}

TEST(TopModel, LooksOncePerInterval) {
  Watched watched;
  watched.wait(1s);
  const auto looks = watched.model.looks();
  watched.connects(1, 1100ms);
  watched.wait(1900ms);
  EXPECT_EQ(watched.model.looks(), looks);
  EXPECT_EQ(watched.model.due(), kBegan + 2s);
  watched.wait(2s);
  EXPECT_EQ(watched.model.looks(), looks + 1);
  EXPECT_EQ(watched.model.look().open, 1U);
}

TEST(TopModel, ManyConnectionsOnOneScreen) {
  Watched watched;
  for (std::uint64_t i = 1; i <= 100'000; ++i) watched.connects(i, 1s);
  watched.wait(2s);
  const top::Look& look = watched.model.look();
  EXPECT_EQ(look.open, 100'000U);
  EXPECT_EQ(look.matching, 100'000U);
  EXPECT_EQ(look.rows.size(), top::Walk::kRows);
}

// Each call of this clock is `step` later than the last.
struct Clock {
  static inline Nanos now{}, step{};
  static Nanos read() { return now += step; }
};

TEST(TopModel, ALookThatTookLongPutsTheNextOneOff) {
  Watched watched;
  watched.connects(1, 1s);
  const auto pause_after = [&](Nanos cost) {
    top::Model model(1s, nullptr, Clock::read);
    Clock::step = cost;
    watched.table.tick(kBegan + 2s);
    model.ticked(kBegan + 2s, watched.table);
    return *model.due() - (kBegan + 2s);
  };
  EXPECT_EQ(pause_after(0ns), 1s);
  EXPECT_EQ(pause_after(5ms), 1s) << "half a hundredth of a CPU";
  EXPECT_EQ(pause_after(20ms), 4s);
}

TEST(TopModel, KeepsTheBestOfMany) {
  Watched watched;
  for (std::uint64_t i = 1; i <= 3000; ++i) watched.connects(i, 1s + i * 7919 % 3000 * 1ms);
  watched.wait(10s);
  const top::Look& look = watched.model.look();
  ASSERT_EQ(look.rows.size(), top::Walk::kRows);
  for (std::size_t i = 1; i < look.rows.size(); ++i)
    ASSERT_GE(look.rows[i - 1].age.value, look.rows[i].age.value);
  EXPECT_EQ(look.rows.back().age.value, 9s - 1ms - 999ms);
}

TEST(TopModel, FreeText) {
  Watched watched;
  watched.connects(1, 1s, "nginx");
  watched.connects(2, 2s, "Curl");
  watched.peer_closes(2, 3s);
  watched.wait(10s);
  const auto found = [&](std::string_view words) {
    watched.model.ask({.query = {.match = *top::free_text(words), .by = {}}});
    return ports(watched.model.look());
  };
  EXPECT_THAT(found("nginx"), ElementsAre(20001));
  EXPECT_THAT(found("CURL"), ElementsAre(20002));
  EXPECT_THAT(found(":20001"), ElementsAre(20001));
  EXPECT_THAT(found("10.0.0.2 close_wait"), ElementsAre(20002));
  EXPECT_THAT(found("nginx close_wait"), IsEmpty());
  EXPECT_EQ(watched.model.look().now[index(State::Established)], 1U) << "the counters are of all";
}

TEST(TopModel, SumsUp) {
  Watched watched;
  watched.connects(1, 1s, "nginx");
  watched.connects(2, 2s, "nginx");
  watched.connects(3, 3s, "curl");
  watched.wait(10s);
  const auto by = [&](top::By what) {
    watched.model.ask({.query = {.match = {}, .by = what}});
    return sums(watched.model.look());
  };
  EXPECT_THAT(by(top::By::Owner), ElementsAre("nginx 2", "curl 1"));
  EXPECT_EQ(watched.model.look().sums[0].oldest, 9s - 1ms);
  EXPECT_THAT(by(top::By::Port), ElementsAre("port 80 3")) << "not the ephemeral ports";
  EXPECT_THAT(by(top::By::Peer), ElementsAre("10.0.0.2 3"));
  EXPECT_THAT(by(top::By::Netns), ElementsAre("4026531840 3"));
  EXPECT_EQ(watched.model.look().sums[0].word, "netns=4026531840");
  EXPECT_THAT(by(top::By::Service), ElementsAre("- 3"));
}

TEST(TopModel, LinesKeepTheirPlacesIfAsked) {
  Watched watched;
  for (std::uint64_t i = 1; i <= 4; ++i) watched.connects(i, i * 1s);
  watched.wait(10s);
  watched.model.ask({.query = {.match = {}, .by = {}}, .keep_order = true});
  watched.peer_closes(1, 11s);  // the oldest becomes the youngest in its state
  watched.peer_closes(2, 11s);
  watched.closes(2, 12s);
  watched.connects(5, 13s);
  watched.wait(20s);
  EXPECT_THAT(ports(watched.model.look()), ElementsAre(20001, 20003, 20004, 20005));
  watched.model.ask({.query = {.match = {}, .by = {}}, .keep_order = false});
  EXPECT_THAT(ports(watched.model.look()), ElementsAre(20003, 20004, 20001, 20005));
}

TEST(TopModel, AStuckSocketStaysUntilItIsCleared) {
  Watched watched;
  const FlagRecord flag = samples::stuck_server();
  watched.model.write(flag);
  watched.wait(10s);
  ASSERT_EQ(watched.model.look().stuck.size(), 1U);
  EXPECT_THAT(watched.model.look().stuck[0].text.next, HasSubstr("4711"));
  watched.wait(100h);
  ASSERT_EQ(watched.model.look().stuck.size(), 1U);
  EXPECT_GE(watched.model.look().stuck[0].group.oldest.value, 100h) << "its age grows";
  watched.model.write(samples::cleared(flag, 100h));
  watched.wait(101h);
  EXPECT_THAT(watched.model.look().stuck, IsEmpty());
  EXPECT_EQ(watched.model.look().flagged, 0U);
}

TEST(TopModel, AQueuedConnectionMayBeClearedInAnotherState) {
  Watched watched;
  FlagRecord flag = samples::stuck_server(Cause::NotAccepted);
  flag.kind = FlagKind::Accept;
  flag.state = State::Established;
  watched.model.write(flag);
  watched.wait(10s);
  ASSERT_EQ(watched.model.look().stuck.size(), 1U);
  FlagRecord accepted = samples::cleared(flag, 20s);
  accepted.state = State::CloseWait;
  watched.model.write(accepted);
  watched.wait(21s);
  EXPECT_THAT(watched.model.look().stuck, IsEmpty());
}

TEST(TopModel, GroupsAsLeaksDoes) {
  Watched watched;
  for (std::uint16_t port = 50000; port < 50012; ++port)
    watched.model.write(samples::stuck_server(Cause::EofRead, port));
  watched.model.write(samples::half_closed_client());
  watched.wait(10s);
  const top::Look& look = watched.model.look();
  EXPECT_EQ(look.flagged, 13U);
  ASSERT_EQ(look.stuck.size(), 2U);
  EXPECT_EQ(look.stuck[0].group.count, 12U);
  EXPECT_EQ(look.stuck[0].group.members.size(), 12U);
  watched.model.ask({.query = {.match = *top::free_text("10.0.0.9"), .by = {}}});
  ASSERT_EQ(look.stuck.size(), 1U);
  EXPECT_EQ(look.stuck[0].group.state, State::FinWait2);
  EXPECT_EQ(look.flagged, 13U) << "a filter does not hide that others are stuck";
}

TEST(TopModel, OneConnectionInFull) {
  Watched watched;
  watched.connects(1, 1s);
  watched.peer_closes(1, 4s);
  watched.wait(10s);
  const std::uint64_t key = watched.model.look().rows[0].key;
  watched.model.ask({.query = {}, .watched = top::Watched{.connection = key, .flag = {}}});
  ASSERT_TRUE(watched.model.look().detail);
  const top::Detail* detail = &*watched.model.look().detail;
  EXPECT_EQ(detail->state, State::CloseWait);
  EXPECT_EQ(detail->age.value, 6s);
  EXPECT_EQ(detail->times[index(State::SynSent)].total, 1ms);
  EXPECT_EQ(detail->times[index(State::Established)].total, 3s - 1ms);
  EXPECT_EQ(detail->socket.cookie, 1U);
  watched.closes(1, 11s);
  watched.connects(2, 12s);  // takes its place in the table
  watched.wait(20s);
  detail = &*watched.model.look().detail;
  EXPECT_FALSE(detail->open);
  EXPECT_EQ(detail->socket.cookie, 1U) << "what is shown is not of another connection";
}

TEST(TopModel, FrozenLooksStay) {
  Watched watched;
  watched.connects(1, 1s);
  watched.wait(2s);
  watched.model.freeze(true);
  watched.connects(2, 3s);
  watched.wait(10s);
  EXPECT_EQ(watched.model.look().open, 1U);
  watched.model.freeze(false);
  watched.wait(12s);
  EXPECT_EQ(watched.model.look().open, 2U);
  EXPECT_GT(watched.model.look().history.size(), 1U) << "the history goes on meanwhile";
}

TEST(TopModel, RemembersSomeMinutes) {
  Watched watched;
  for (int i = 0; i < 1000; ++i) watched.wait(i * 1s);
  const auto& history = watched.model.look().history;
  EXPECT_EQ(history.back().at, kBegan + 999s);
  EXPECT_EQ(history.front().at, kBegan + 699s);
}

TEST(TopModel, PortsAsStatsForecastsThem) {
  Watched watched;
  watched.table.on(NamespaceEvent{.at = kBegan,
                                  .netns_cookie = 1,
                                  .port_low = 20001,
                                  .port_high = 20010,
                                  .reserved_ports = 0,
                                  .tw_reuse = std::uint8_t{0}});
  for (std::uint64_t i = 1; i <= 10; ++i) watched.connects(i, 1s);
  watched.wait(10s);
  ASSERT_EQ(watched.model.look().ports.size(), 1U);
  EXPECT_EQ(watched.model.look().ports[0].used, 10U);
  EXPECT_EQ(watched.model.look().ports[0].forecast.outlook, Outlook::Full);
}

}  // namespace
}  // namespace tcpdwell::top_story
