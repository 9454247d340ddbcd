// SPDX-License-Identifier: Apache-2.0
// For the tests of `report`: a lifecycle table with a Collector as its sink and observer.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "lifecycle/lifecycle.h"
#include "report/collector.h"
#include "support/events.h"

namespace tcpdwell::report_story {

using namespace test;
using reporting::Collector;
using reporting::ReportData;

inline constexpr Nanos kDate = 1'767'323'045s;  // 2026-01-02T03:04:05Z

class Reported {
 public:
  explicit Reported(std::size_t most_lives = reporting::kMostLives)
      : collector(most_lives),
        table(LifecycleConfig{.hz = kHz, .began = kBegan, .thresholds = default_thresholds(60s)},
              filter_, collector) {
    collector.write(StartRecord{.when = {kBegan, kDate},
                                .version = "1",
                                .kernel = "6.1",
                                .host = "web-1",
                                .hz = kHz,
                                .thresholds = {{"CLOSE_WAIT", 60s}},
                                .sees = {{"time_wait", "exact"}}});
    table.on(ClockEvent{.at = kBegan, .offset = kDate - kBegan});
  }

  void wait(Nanos at) {
    table.tick(kBegan + at);
    collector.ticked(kBegan + at, table);
  }
  // 10.0.0.1:PORT, a client of 10.0.0.2:80. `cookie` tells them apart.
  TransitionEvent moves(State from, State to, Nanos at, std::uint64_t cookie,
                        const char* comm = "app") const {
    TransitionEvent event{.at = kBegan + at, .object = 0x1000 + cookie, .cookie = cookie};
    event.flow = make_flow(static_cast<std::uint16_t>(20000 + cookie % 40000));
    event.from = from;
    event.to = to;
    event.attached = true;
    if (from == State::Closed) event.task = make_process(42, comm);
    return event;
  }
  void connects(std::uint64_t cookie, Nanos at, const char* comm = "app") {
    table.on(moves(State::Closed, State::SynSent, at, cookie, comm));
    table.on(moves(State::SynSent, State::Established, at + 1ms, cookie));
  }
  void peer_closes(std::uint64_t cookie, Nanos at) {
    table.on(moves(State::Established, State::CloseWait, at, cookie));
  }
  void closes(std::uint64_t cookie, Nanos at) {
    table.on(moves(State::CloseWait, State::LastAck, at, cookie));
    auto gone = moves(State::LastAck, State::Closed, at + 1ms, cookie);
    gone.dead = true;
    table.on(gone);
  }
  // The flag of a connection that peer_closes() left in CLOSE_WAIT `since` then.
  FlagRecord flag(std::uint64_t cookie, Nanos since, Nanos at, const char* comm = "app") const {
    FlagRecord flag{.when = table.when(kBegan + at)};
    flag.socket.cookie = cookie;
    flag.socket.flow = moves(State::Closed, State::CloseWait, at, cookie).flow;
    flag.socket.role = Role::Client;
    flag.threshold = 60s;
    flag.dwell = {at - since};
    flag.cause = Cause::EofRead;
    flag.holders = {{.process = make_process(42, comm), .fd = 9}};
    return flag;
  }

  ReportData finish(Nanos at) {
    table.tick(kBegan + at);
    collector.ticked(kBegan + at, table);
    table.finish(kBegan + at);
    collector.finished(kBegan + at, table);
    EndRecord end{.when = table.when(kBegan + at)};
    end.passed = table.passed();
    collector.write(end);
    return collector.take();
  }

  Collector collector;

 private:
  Filter filter_;

 public:
  Lifecycle table;
};

}  // namespace tcpdwell::report_story
