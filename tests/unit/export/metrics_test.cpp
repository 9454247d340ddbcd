// SPDX-License-Identifier: Apache-2.0
// What the metrics say of synthetic connections, by the names on which users rely.
#include "export/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "export/write_text.h"
#include "lifecycle/lifecycle.h"
#include "support/events.h"

namespace tcpdwell::exporter {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::Not;

class Exported {
 public:
  explicit Exported(const MetricsConfig& config = {}, std::size_t most = 1000)
      : metrics(config, board_),
        table(LifecycleConfig{.hz = kHz,
                              .began = kBegan,
                              .max_connections = most,
                              .thresholds = default_thresholds(60s)},
              filter_, metrics) {
    StartRecord start{.when = {kBegan, {}}, .version = "9.9", .kernel = "6.18"};
    start.sees = {{"time_wait", "exact"}};
    metrics.write(start);
  }

  TransitionEvent moves(State from, State to, Nanos at, std::uint64_t cookie) const {
    TransitionEvent event{.at = kBegan + at, .object = 0x1000 + cookie, .cookie = cookie};
    event.flow = make_flow(static_cast<std::uint16_t>(40000 + cookie));
    event.from = from;
    event.to = to;
    event.attached = true;
    if (from == State::Closed) event.task = make_process(42, "svc");
    return event;
  }
  void connects(std::uint64_t cookie, Nanos at, Nanos answered) {
    auto syn = moves(State::Closed, State::SynSent, at, cookie);
    syn.flow.local.port = 0;  // chosen by connect() after this
    table.on(syn);
    table.on(moves(State::SynSent, State::Established, at + answered, cookie));
  }
  FlagRecord flag(std::uint64_t cookie, Nanos at, State state, bool raised = true) const {
    FlagRecord record;
    record.when = {kBegan + at, {}};
    record.socket.cookie = cookie;
    record.socket.owner = Owner{make_process(42, "svc"), Via::Accept};
    record.raised = raised;
    record.state = state;
    record.dwell = {60s, 0ns};
    record.cause = Cause::EofRead;
    return record;
  }
  void wait(Nanos at) {
    table.tick(kBegan + at);
    metrics.ticked(kBegan + at, table);
  }
  std::string text() const {
    std::string out;
    if (const auto page = board_.latest()) write_prometheus(out, *page);
    return out;
  }

 private:
  Filter filter_;
  Board board_;

 public:
  Metrics metrics;
  Lifecycle table;
};

TEST(Metrics, HaveNoPageBeforeTheFirstTick) {
  Exported exported;
  EXPECT_EQ(exported.text(), "");
  exported.table.snapshot_begins();
  exported.wait(1s);
  EXPECT_EQ(exported.text(), "") << "older sockets are missing";
  exported.table.snapshot_ended();
  exported.wait(2s);
  EXPECT_NE(exported.text(), "");
}

TEST(Metrics, CountConnectionsAndDwells) {
  Exported exported;
  exported.connects(1, 1s, 4ms);
  exported.connects(2, 1s, 20ms);
  exported.wait(2s);
  const std::string text = exported.text();
  EXPECT_THAT(text, HasSubstr("tcpdwell_connections{state=\"ESTABLISHED\",service=\"svc\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("service=\"other\"")));
  EXPECT_THAT(text, HasSubstr("tcpdwell_dwell_classic_seconds_count{state=\"SYN_SENT\"} 2\n"));
  EXPECT_THAT(
      text,
      HasSubstr("tcpdwell_dwell_classic_seconds_bucket{state=\"SYN_SENT\",le=\"0.015625\"} 1"));
  EXPECT_THAT(text, HasSubstr("tcpdwell_build_info{version=\"9.9\",kernel=\"6.18\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tcpdwell_sees{what=\"time_wait\",how=\"exact\"} 1\n"));
}

TEST(Metrics, CountStuckSocketsWhileTheyAreStuck) {
  Exported exported;
  exported.metrics.write(exported.flag(7, 100s, State::CloseWait));
  exported.metrics.write(exported.flag(8, 110s, State::CloseWait));
  exported.wait(120s);
  EXPECT_THAT(
      exported.text(),
      HasSubstr(
          "tcpdwell_stuck_sockets{flag=\"CLOSE_WAIT\",cause=\"eof_read\",service=\"svc\"} 2\n"));
  EXPECT_THAT(exported.text(),
              HasSubstr("tcpdwell_oldest_stuck_seconds{flag=\"CLOSE_WAIT\",service=\"svc\"} 80\n"));
  exported.metrics.write(exported.flag(7, 121s, State::CloseWait, false));
  exported.wait(122s);
  EXPECT_THAT(exported.text(), HasSubstr("cause=\"eof_read\",service=\"svc\"} 1\n"));
  exported.metrics.write(exported.flag(8, 123s, State::CloseWait, false));
  exported.wait(124s);
  EXPECT_THAT(exported.text(), Not(HasSubstr("tcpdwell_stuck_sockets{")));
}

TEST(Metrics, QueuedConnectionLeavesInAnotherState) {
  Exported exported;
  FlagRecord flag = exported.flag(7, 100s, State::Established);
  flag.kind = FlagKind::Accept;
  exported.metrics.write(flag);
  exported.wait(101s);
  EXPECT_THAT(exported.text(), HasSubstr("tcpdwell_stuck_sockets{flag=\"ACCEPT\""));
  flag.raised = false;
  flag.state = State::CloseWait;
  exported.metrics.write(flag);
  exported.wait(103s);
  EXPECT_THAT(exported.text(), Not(HasSubstr("tcpdwell_stuck_sockets{")));
}

TEST(Metrics, EvictedConnectionIsNotStuckForEver) {
  Exported exported({}, 2);
  exported.connects(1, 1s, 1ms);
  exported.metrics.write(exported.flag(1, 100s, State::CloseWait));
  exported.wait(101s);
  EXPECT_THAT(exported.text(), HasSubstr("tcpdwell_stuck_sockets{"));
  for (std::uint64_t cookie = 2; cookie < 8; ++cookie) exported.connects(cookie, 102s, 1ms);
  exported.wait(103s);
  EXPECT_THAT(exported.text(), Not(HasSubstr("tcpdwell_connections_evicted_total 0\n")));
  EXPECT_THAT(exported.text(), Not(HasSubstr("tcpdwell_stuck_sockets{")));
}

TEST(Metrics, CountEndsAndLosses) {
  Exported exported;
  ConnectionRecord connection;
  connection.ended = Ended::ResetReceived;
  connection.closed_by = Side::Remote;
  connection.time_wait_ended = TimeWaitEnded::Expired;
  exported.metrics.write(connection);
  exported.metrics.write(LostRecord{.cause = LossCause::RingFull, .events = 5});
  exported.wait(1s);
  const std::string text = exported.text();
  EXPECT_THAT(text, HasSubstr("ended=\"reset_received\",closed_by=\"remote\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tcpdwell_time_wait_ended_total{reason=\"expired\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tcpdwell_events_lost_total{cause=\"ring_full\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("tcpdwell_events_lost_total{cause=\"damaged\"} 0\n"));
}

TEST(Metrics, InexactDwellsAreCountedApart) {
  Exported exported;
  TransitionRecord record;
  record.from = State::TimeWait;
  record.dwell = Dwell{60s, std::nullopt};
  exported.metrics.write(record);
  exported.wait(1s);
  EXPECT_THAT(exported.text(), HasSubstr("tcpdwell_dwell_inexact_total{state=\"TIME_WAIT\"} 1\n"));
  EXPECT_THAT(exported.text(),
              HasSubstr("tcpdwell_dwell_classic_seconds_count{state=\"TIME_WAIT\"} 0\n"));
}

TEST(Metrics, FailedConnectsAreCountedByService) {
  Exported exported({.services = 1});
  for (const char* comm : {"first", "second", "third", "first"}) {
    FailedConnectsRecord failed;
    failed.process = make_process(42, comm);
    failed.count = 10;
    exported.metrics.write(failed);
  }
  exported.wait(1s);
  const std::string text = exported.text();
  EXPECT_THAT(
      text, HasSubstr("tcpdwell_connects_failed_total{reason=\"no_port\",service=\"first\"} 20\n"));
  EXPECT_THAT(text, HasSubstr("{reason=\"no_port\",service=\"other\"} "));
}

TEST(Metrics, AddressesOnlyWithDestinations) {
  const NamespaceEvent range{.at = kBegan,
                             .netns_cookie = 1,
                             .port_low = 40000,
                             .port_high = 40009,
                             .tw_reuse = std::uint8_t{0}};
  Exported with, without({.destinations = 0});
  for (Exported* exported : {&with, &without}) {
    exported->table.on(range);
    exported->connects(1, 1s, 4ms);
    exported->wait(2s);
  }
  EXPECT_THAT(with.text(),
              HasSubstr("tcpdwell_ports_used{local=\"10.0.0.1\",remote=\"10.0.0.2:80\"} 1\n"));
  EXPECT_THAT(with.text(),
              HasSubstr("tcpdwell_ports_limit{local=\"10.0.0.1\",remote=\"10.0.0.2:80\"} 10\n"));
  EXPECT_THAT(without.text(), Not(HasSubstr("10.0.0")));
}

TEST(Metrics, SeriesBeyondTheLimitAreCounted) {
  Exported exported({.most_series = 100});
  exported.wait(1s);
  exported.wait(3s);
  const std::string text = exported.text();
  EXPECT_THAT(text, Not(HasSubstr("tcpdwell_dwell_classic_seconds_bucket{state=\"TIME_WAIT\"")));
  EXPECT_THAT(text, Not(HasSubstr("tcpdwell_series_dropped_total 0\n")));
  EXPECT_THAT(text, HasSubstr("tcpdwell_series_dropped_total "));
}

TEST(Metrics, PagesAreFurtherApartWithManyConnections) {
  Exported exported;
  exported.wait(1s);
  ASSERT_TRUE(exported.metrics.due());
  EXPECT_EQ(*exported.metrics.due(), kBegan + 2s);
  const auto before = exported.metrics.pages();
  exported.wait(1s + 500ms);
  EXPECT_EQ(exported.metrics.pages(), before);
}

}  // namespace
}  // namespace tcpdwell::exporter
