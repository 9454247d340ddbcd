// SPDX-License-Identifier: Apache-2.0
// Filters: which records of a connection that passes are printed, sockets outside the table, and
// filters compared with each other.
#include <gtest/gtest.h>

#include <cstring>

#include "lifecycle/filter.h"

namespace tcpdwell {
namespace {

std::bitset<kStates> states(std::initializer_list<State> list) {
  std::bitset<kStates> set;
  for (const State state : list) set.set(index(state));
  return set;
}

TEST(FilterWants, FlagOfAWantedState) {
  FlagRecord flag;
  flag.state = State::CloseWait;
  EXPECT_TRUE(Filter{}.wants(flag));
  Filter filter;
  filter.states.set(index(State::FinWait2));
  EXPECT_FALSE(filter.wants(flag));
  filter.states.set(index(State::CloseWait));
  EXPECT_TRUE(filter.wants(flag));
  flag.raised = false;
  EXPECT_TRUE(filter.wants(flag)) << "a cleared flag, too";
}

TEST(FilterWants, IgnoresFlagsOnly) {
  Filter filter;
  filter.flags_only = true;
  EXPECT_TRUE(filter.wants(FlagRecord{})) << "the publisher drops transitions, see FlagFilter";
  EXPECT_EQ(filter.on_flow(Flow{}, true), Verdict::Show);
}

TEST(FilterWants, TransitionFromOrToAWantedState) {
  const Filter filter{.states = states({State::CloseWait})};
  TransitionRecord record;
  record.from = State::Established;
  record.to = State::CloseWait;
  EXPECT_TRUE(filter.wants(record));
  record.from = State::CloseWait;
  record.to = State::LastAck;
  EXPECT_TRUE(filter.wants(record));
  record.from = State::LastAck;
  record.to = State::Closed;
  EXPECT_FALSE(filter.wants(record));
  EXPECT_TRUE(Filter{}.wants(record)) << "no --state: any";
}

TEST(FilterWants, ConnectionThatVisitedAWantedState) {
  ConnectionRecord record;
  record.dwell[index(State::Established)] = Dwell{};
  EXPECT_TRUE(Filter{}.wants(record));
  EXPECT_TRUE((Filter{.states = states({State::Established, State::TimeWait})}).wants(record));
  EXPECT_FALSE((Filter{.states = states({State::TimeWait})}).wants(record));
  EXPECT_TRUE((Filter{.states = states({State::Closed})}).wants(record))
      << "every ended connection reached CLOSED";
}

TEST(FilterWants, TransitionThatLastedLongEnough) {
  Filter filter{.min_dwell = Nanos{100}};
  TransitionRecord record;
  record.from = State::CloseWait;
  record.to = State::LastAck;
  EXPECT_FALSE(filter.wants(record)) << "no dwell";
  record.dwell = Dwell{Nanos{99}};
  EXPECT_FALSE(filter.wants(record));
  record.dwell = Dwell{Nanos{100}, std::nullopt};
  EXPECT_TRUE(filter.wants(record)) << "a lower bound is enough";
  filter.states = states({State::LastAck});
  EXPECT_FALSE(filter.wants(record)) << "the dwell is not one of LAST_ACK";
  filter.states = states({State::CloseWait});
  EXPECT_TRUE(filter.wants(record));
}

TEST(FilterWants, ConnectionWithADwellThatLastedLongEnough) {
  Filter filter{.min_dwell = Nanos{100}};
  ConnectionRecord record;
  record.dwell[index(State::Established)] = Dwell{Nanos{200}};
  record.dwell[index(State::CloseWait)] = Dwell{Nanos{50}};
  EXPECT_TRUE(filter.wants(record));
  filter.states = states({State::CloseWait, State::Closed});
  EXPECT_FALSE(filter.wants(record)) << "it was in ESTABLISHED that long";
  filter.min_dwell = Nanos{50};
  EXPECT_TRUE(filter.wants(record));
  EXPECT_TRUE(filter.wants(FlagRecord{.state = State::CloseWait})) << "a flag has a threshold";
}

TEST(FilterPasses, AnOpenSocketOutsideTheTable) {
  SocketInfo socket;
  socket.flow.local.port = 80;
  socket.flow.remote.port = 5;
  socket.owner.emplace();
  std::strncpy(socket.owner->process.comm.data(), "nginx", socket.owner->process.comm.size());
  const auto now = [&](const Filter& filter) {
    return passes(filter, socket, State::CloseWait, Nanos{50});
  };
  EXPECT_TRUE(now(Filter{}));
  EXPECT_TRUE(now(Filter{.local_ports = {80}, .comms = {"nginx"}}));
  EXPECT_FALSE(now(Filter{.local_ports = {80}, .comms = {"php"}}));
  EXPECT_FALSE(now(Filter{.cgroup = "/web"})) << "not known";
  EXPECT_FALSE(now(Filter{.states = states({State::TimeWait})}));
  EXPECT_TRUE(now(Filter{.states = states({State::CloseWait}), .min_dwell = Nanos{50}}));
  EXPECT_FALSE(now(Filter{.min_dwell = Nanos{51}}));
}

TEST(FilterPassesAllOf, ComparesEachList) {
  const Filter any, comm{.comms = {"nginx"}},
      local{.locals = {{.addr = parse_cidr("10.0.0.1"), .port = 80}}};
  EXPECT_TRUE(passes_all_of(any, comm));
  EXPECT_TRUE(passes_all_of(comm, comm));
  EXPECT_FALSE(passes_all_of(comm, any));
  EXPECT_FALSE(passes_all_of(local, any));
  EXPECT_TRUE(passes_all_of(local, local));
}

}  // namespace
}  // namespace tcpdwell
