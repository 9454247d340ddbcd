// SPDX-License-Identifier: Apache-2.0
// What a sink does not need is not made for it, and all else is.
#include <gtest/gtest.h>

#include "support/recorded_run.h"

namespace tcpdwell::recorded {
namespace {

class Choosy final : public Sink {
 public:
  explicit Choosy(Needs needs) : needs_(needs) {}
  void write(const Record& record) noexcept override {
    if (const auto* transition = std::get_if<TransitionRecord>(&record)) {
      ++transitions;
      described += transition->socket.cookie != 0 ? 1 : 0;
    }
    connections += std::holds_alternative<ConnectionRecord>(record) ? 1 : 0;
    others += !std::holds_alternative<TransitionRecord>(record) &&
              !std::holds_alternative<ConnectionRecord>(record);
  }
  Needs needs() const noexcept override { return needs_; }
  int transitions = 0, described = 0, connections = 0, others = 0;

 private:
  Needs needs_;
};

// A flag that is raised and cleared, and an end.
std::string seen_with(Sink::Needs needs) {
  Choosy sink(needs);
  const Filter filter;
  recording::Setting setting = recorded::setting();
  Lifecycle lifecycle(setting.config, filter, sink);
  TransitionEvent event{.at = kBegan + 1s, .cookie = 1, .from = State::Closed};
  event.flow.local.port = 40000;
  event.to = State::Established;
  lifecycle.on(event);
  event.from = State::Established;
  event.to = State::Closed;
  event.at += 1s;
  lifecycle.on(event);
  lifecycle.on(LossEvent{.at = event.at, .events = 1});
  lifecycle.finish(event.at + 1s);
  return std::to_string(sink.transitions) + " transitions, " + std::to_string(sink.described) +
         " described, " + std::to_string(sink.connections) + " connections, " +
         std::to_string(sink.others) + " others";
}

TEST(SinkNeeds, SkipsRecordsThatNoSinkNeeds) {
  EXPECT_EQ(seen_with({}), "1 transitions, 1 described, 1 connections, 1 others");
  EXPECT_EQ(seen_with({.whose = false}), "1 transitions, 0 described, 1 connections, 1 others");
  EXPECT_EQ(seen_with({.connections = false}),
            "1 transitions, 1 described, 0 connections, 1 others");
  EXPECT_EQ(seen_with({.transitions = false}),
            "0 transitions, 0 described, 1 connections, 1 others");
}

}  // namespace
}  // namespace tcpdwell::recorded
