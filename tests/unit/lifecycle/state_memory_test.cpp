// SPDX-License-Identifier: Apache-2.0
// `leaks --watch` keeps state ages between scans.
#include "lifecycle/state_memory.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

SnapshotEvent socket_in(State state, std::uint64_t cookie = 7, std::uint16_t remote_port = 5000) {
  SnapshotEvent event;
  event.state = state;
  event.cookie = cookie;
  event.flow.local.port = 80;
  event.flow.remote.port = remote_port;
  return event;
}

constexpr StateBegin kUnknown{100s, std::nullopt};

TEST(StateMemory, AgesOnlyGrow) {
  StateMemory memory;
  memory.begin_look();
  EXPECT_EQ(memory.recall(socket_in(State::Listen), kUnknown), kUnknown);
  for (const Nanos at : {110s, 120s, 130s}) {
    memory.begin_look();
    EXPECT_EQ(memory.recall(socket_in(State::Listen), {at, std::nullopt}), kUnknown);
  }
}

TEST(StateMemory, IsOfOneStateOfOneConnection) {
  StateMemory memory;
  memory.begin_look();
  memory.recall(socket_in(State::CloseWait), kUnknown);
  const StateBegin later{110s, std::nullopt};
  const auto recalled = [&](const SnapshotEvent& event) {
    memory.begin_look();
    const StateBegin begin = memory.recall(event, later);
    memory.drop_look();  // the next scan is compared with the same data
    return begin;
  };
  EXPECT_EQ(recalled(socket_in(State::CloseWait)), kUnknown);
  EXPECT_EQ(recalled(socket_in(State::LastAck)), later);
  EXPECT_EQ(recalled(socket_in(State::CloseWait, 8)), later);
  EXPECT_EQ(recalled(socket_in(State::CloseWait, 7, 5001)), later) << "another connection";
  EXPECT_EQ(recalled(socket_in(State::CloseWait, 0)), later);
}

TEST(StateMemory, ForgetsAStateThatBeganAgain) {
  StateMemory memory;
  memory.begin_look();
  memory.recall(socket_in(State::SynSent), {100s, 99s});
  memory.begin_look();
  const StateBegin again{105s, 104s};
  EXPECT_EQ(memory.recall(socket_in(State::SynSent), again), again);
}

TEST(StateMemory, ForgetsSocketsThatAScanDoesNotFind) {
  StateMemory memory;
  memory.begin_look();
  memory.recall(socket_in(State::CloseWait), kUnknown);
  memory.begin_look();
  memory.begin_look();
  const StateBegin later{110s, std::nullopt};
  EXPECT_EQ(memory.recall(socket_in(State::CloseWait), later), later);
}

}  // namespace
}  // namespace tcpdwell
