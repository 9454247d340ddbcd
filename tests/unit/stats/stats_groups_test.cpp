// SPDX-License-Identifier: Apache-2.0
// Groups of `stats`: their keys, which ones are printed, and the bound on their number.
#include "stats/stats_groups.h"

#include "support/counted.h"

namespace tcpdwell::test {
namespace {

std::string keys(const StatsRecord& record) {
  std::string text;
  for (const StatsRow& row : record.rows)
    text += (text.empty() ? "" : ", ") + row.key.value_or("null") + (row.other ? "!" : "") + ' ' +
            std::string(name(row.state)) + ' ' + std::to_string(row.entered);
  return text;
}

std::string grouped_by(GroupBy by) {
  StatsConfig config{.by = by};
  config.states.set(index(State::SynSent));
  Counted counted(config);
  counted.tell(CgroupEvent{kBegan, 7, "/web.service"});
  counted.connects(1, 1s);
  counted.connects(2, 1s);
  counted.connects(3, 1s);
  counted.wait(10s);
  return keys(counted.records.back());
}

TEST(StatsGroups, GroupByEachProperty) {
  EXPECT_EQ(grouped_by(GroupBy::LocalPort), "40001 SYN_SENT 1, 40002 SYN_SENT 1, 40003 SYN_SENT 1");
  EXPECT_EQ(grouped_by(GroupBy::RemotePort), "80 SYN_SENT 3");
  EXPECT_EQ(grouped_by(GroupBy::Remote), "10.0.0.2 SYN_SENT 3");
  EXPECT_EQ(grouped_by(GroupBy::Owner), "app SYN_SENT 3");
  EXPECT_EQ(grouped_by(GroupBy::Cgroup), "/web.service SYN_SENT 3");
  EXPECT_EQ(grouped_by(GroupBy::Netns), "4026531840 SYN_SENT 3");
  EXPECT_EQ(grouped_by(GroupBy::Port), "80 SYN_SENT 3") << "a client's service is the other side";
  EXPECT_EQ(grouped_by(GroupBy::Pid), "42 SYN_SENT 3");
}

TEST(StatsGroups, EveryNameIsThatOfItsGroup) {
  for (const std::string& word : group_names()) {
    const auto by = parse_group_by(word);
    ASSERT_TRUE(by) << word;
    EXPECT_EQ(name(*by), word);
  }
  for (const char* word : {"PORT", "", "ports"}) EXPECT_FALSE(parse_group_by(word));
}

TEST(StatsGroups, PortIsThatOfTheServiceOnBothSides) {
  GroupKey key(GroupBy::Port);
  SocketInfo socket;
  socket.flow.local.port = 80;
  socket.flow.remote.port = 40000;
  const auto port = [&](Role role) {
    socket.role = role;
    return text_of(GroupBy::Port, key.of(socket)).value_or("null");
  };
  EXPECT_EQ(port(Role::Server), "80");
  EXPECT_EQ(port(Role::Listener), "80");
  EXPECT_EQ(port(Role::Client), "40000");
  EXPECT_EQ(port(Role::Unknown), "null") << "either side may be the service";
}

TEST(StatsGroups, PidOfAProcessThatIsNotVisibleIsUnknown) {
  GroupKey key(GroupBy::Pid);
  SocketInfo socket;
  EXPECT_TRUE(key.of(socket).empty());
  socket.owner.emplace();
  EXPECT_TRUE(key.of(socket).empty());
  socket.owner->process.pid = 7;
  EXPECT_EQ(text_of(GroupBy::Pid, key.of(socket)), "7");
}

TEST(StatsGroups, ClosedByCountsConnectionsAtTheirEnd) {
  Counted counted({.by = GroupBy::ClosedBy});
  counted.connects(1, 1s);
  counted.connects(2, 1s);
  counted.closes(2, 2s);  // this side first
  counted.tell(counted.minisock(TimerOp::Expire, 62s, 2));
  counted.wait(70s);
  const StatsRecord& record = counted.records.back();
  EXPECT_NE(keys(record).find("local ESTABLISHED 1"), std::string::npos) << keys(record);
  EXPECT_NE(keys(record).find("unknown ESTABLISHED 0"), std::string::npos) << keys(record);
  for (const StatsRow& row : record.rows)
    if (row.key == "unknown") {
      EXPECT_EQ(row.now, 1U) << "the one that is open";
    } else {
      EXPECT_EQ(row.left, row.entered);
    }
}

TEST(Stats, BeginAtForgetsWhatWasBefore) {
  Counted counted({.interval = 5s});
  counted.connects(1, 1s);
  counted.wait(3s);
  counted.stats.begin_at(kBegan + 3s);
  counted.connects(2, 4s);
  counted.wait(6s);
  EXPECT_TRUE(counted.records.empty()) << "5 s from then on";
  counted.wait(8s);
  ASSERT_EQ(counted.records.size(), 1U);
  EXPECT_EQ(counted.records[0].interval, 5s);
  std::uint64_t entered = 0, now = 0;
  for (const StatsRow& row : counted.records[0].rows)
    if (row.state == State::Established) {
      entered = row.entered;
      now = row.now;
    }
  EXPECT_EQ(entered, 1U);
  EXPECT_EQ(now, 2U) << "the older one is still open";
  EXPECT_EQ(counted.finish(9s).interval, 6s);
}

TEST(StatsGroups, UnknownKeyIsOneGroup) {
  Counted counted({.by = GroupBy::Owner});
  counted.tell(counted.request(TimerOp::Start, 1s));
  counted.connects(1, 1s);
  counted.wait(10s);
  EXPECT_EQ(keys(counted.records.back()), "app SYN_SENT 1, app ESTABLISHED 1, null SYN_RECEIVED 0");
}

TEST(StatsGroups, BusiestAreShownRestIsOther) {
  StatsConfig config{.by = GroupBy::LocalPort, .rows = 1};
  config.states.set(index(State::Established));
  Counted counted(config);
  for (std::uint64_t cookie = 1; cookie <= 3; ++cookie) counted.connects(cookie, 1s);
  counted.closes(2, 2s);
  counted.connects(2, 3s);
  counted.wait(10s);
  EXPECT_EQ(keys(counted.records.back()), "40002 ESTABLISHED 2, other! ESTABLISHED 2");
  EXPECT_EQ(counted.records.back().rows[1].now, 2U);
}

TEST(StatsGroups, EmptyGroupIsLeftOut) {
  Counted counted({.by = GroupBy::LocalPort});
  counted.connects(1, 1s);
  auto gone = counted.moves(State::Established, State::Closed, 2s);
  gone.err = 110;
  counted.tell(gone);
  counted.wait(10s);
  EXPECT_FALSE(counted.records.back().rows.empty());
  counted.wait(20s);
  EXPECT_TRUE(counted.records.back().rows.empty());
  EXPECT_FALSE(counted.finish(25s).rows.empty()) << "the total has events";
}

std::string key(std::size_t number) { return "key" + std::to_string(number); }

TEST(StatsGroups, AreBounded) {
  StatsGroups groups;
  const std::size_t state = index(State::Established);
  for (int i = 0; i < 100; ++i) ++groups.at("busy").interval[state].entered;
  for (std::size_t i = 0; i < 10 * StatsGroups::kMost; ++i) {
    ++groups.at(key(i)).interval[state].entered;
    ASSERT_LE(groups.size(), StatsGroups::kMost);
    if (i % 1000 == 0) groups.end_interval();
  }
  groups.end_interval();
  std::uint64_t all = groups.other().total[state].entered;
  bool busy = false;
  groups.for_each([&](std::string_view name, const Group& group) {
    all += group.total[state].entered;
    busy |= name == "busy" && group.total[state].entered == 100;
  });
  EXPECT_EQ(all, 100 + 10 * StatsGroups::kMost) << "merged, not dropped";
  EXPECT_TRUE(busy) << "only the least busy groups are merged";
}

TEST(StatsGroups, WalkMakesRoomForNewGroups) {
  StatsGroups groups;
  const std::size_t state = index(State::Established);
  for (std::size_t i = 0; i < StatsGroups::kMost; ++i) ++groups.at(key(i)).interval[state].entered;
  groups.begin_walk();
  for (std::size_t i = 0; i < StatsGroups::kMost; ++i)
    ++groups.at_walk(key(100'000 + i)).now[state];
  EXPECT_LE(groups.size(), StatsGroups::kMost);
  std::uint64_t open = groups.other().now[state];
  EXPECT_GT(open, 0U) << "not all of them";
  groups.for_each([&](std::string_view, const Group& group) { open += group.now[state]; });
  EXPECT_EQ(open, StatsGroups::kMost);
  groups.begin_walk();
  groups.for_each([&](std::string_view, const Group& group) { ASSERT_EQ(group.now[state], 0U); });
  EXPECT_EQ(groups.other().now[state], 0U);
}

}  // namespace
}  // namespace tcpdwell::test
