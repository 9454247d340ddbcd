// SPDX-License-Identifier: Apache-2.0
// What stats prints: the JSON object to the byte, the tables as they look.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/histogram_text.h"
#include "sinks/stats_json.h"
#include "sinks/stats_text.h"
#include "support/flags.h"
#include "support/records.h"

#include <sstream>

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

StatsRow row(State state, std::optional<std::string> key) {
  return {.key = std::move(key),
          .state = state,
          .entered = 1'234,
          .left = 1'200,
          .now = 34,
          .inexact = 2,
          .dwell = {.count = 1'198, .min = 5us, .p50 = 10ms, .p90 = 1s, .p99 = 2s, .max = 61s}};
}

StatsRow empty_row(State state, std::optional<std::string> key) {
  return {.key = std::move(key), .state = state};
}

StatsRecord sample(GroupBy by, std::vector<StatsRow> rows) {
  return {.when = kWhen, .interval = 10s, .by = by, .rows = std::move(rows)};
}

PortUse port_use(std::uint32_t used, const PortForecast& forecast) {
  PortUse use{.remote = endpoint(Family::Ipv4, "10.0.0.2", 80), .used = used};
  use.site.local = endpoint(Family::Ipv4, "10.0.0.1", 0).addr;
  use.site.netns = 4026531840;
  use.states[index(State::TimeWait)] = used - 1;
  use.states[index(State::Established)] = 1;
  use.range = {32768, 60999, 32};
  use.forecast = forecast;
  return use;
}

std::string json(const StatsRecord& record) {
  Captured captured;
  StatsJson(captured.output()).write(record);
  return captured.text();
}

std::string text(const StatsRecord& record, TextStyle style = {}) {
  Captured captured;
  StatsText sink(captured.output(), style);
  static_cast<StatsOutput&>(sink).write(record);
  return captured.text();
}

std::string without_first_line(std::string all) { return all.substr(all.find('\n') + 1); }

TEST(StatsJson, ARowAndARowOfNothing) {
  EXPECT_EQ(
      json(sample(GroupBy::State,
                  {row(State::TimeWait, "TIME_WAIT"), empty_row(State::Closing, "CLOSING")})),
      R"({"type":"stats","time":"2026-01-02T03:04:05.006007008Z","mono_ns":123456789,)"
      R"("interval_ns":10000000000,"by":"state","rows":[)"
      R"({"key":"TIME_WAIT","state":"TIME_WAIT","entered":1234,"left":1200,"now":34,"flagged":0,)"
      R"("inexact":2,"dwell_ns":{"min":5000,"p50":10000000,"p90":1000000000,"p99":2000000000,)"
      R"("max":61000000000}},)"
      R"({"key":"CLOSING","state":"CLOSING","entered":0,"left":0,"now":0,"flagged":0,)"
      R"("inexact":0,"dwell_ns":null}],"ports":[],"connects_failed":[],)"
      R"("handshakes_retransmitted":null,"accept_queues_full":null})"
      "\n");
}

TEST(StatsJson, TheTotalSaysSo) {
  StatsRecord record = sample(GroupBy::Owner, {});
  record.total = true;
  EXPECT_THAT(json(record), HasSubstr(R"("interval_ns":10000000000,"total":true,"by":"owner")"));
}

TEST(StatsJson, KeysOfOthersAreHarmless) {
  const std::string line = json(sample(
      GroupBy::Owner, {empty_row(State::Listen, "a\"\n\033"), empty_row(State::Listen, "\xff"),
                       empty_row(State::Listen, std::nullopt)}));
  EXPECT_THAT(line, HasSubstr(R"({"key":"a\"\u000a\u001b","state")"));
  EXPECT_THAT(line, HasSubstr("{\"key\":\"\uFFFD\",\"state\""));
  EXPECT_THAT(line, HasSubstr(R"({"key":null,"state")"));
}

TEST(StatsJson, OtherIsMarked) {
  StatsRow other = empty_row(State::Listen, "other");
  other.other = true;
  EXPECT_THAT(json(sample(GroupBy::Owner, {other})),
              HasSubstr(R"({"key":"other","other":true,"state":"LISTEN")"));
}

const PortForecast kIn90s{.outlook = Outlook::RunsOut, .runs_out_in = 90s};
const PortForecast kLevelsOff{.outlook = Outlook::LevelsOff, .level = 26'000};

TEST(StatsJson, PortsInUse) {
  StatsRecord record = sample(GroupBy::State, {});
  record.ports = {port_use(28'000, kIn90s), port_use(3, kLevelsOff)};
  record.ports[0].bound = 100;
  EXPECT_THAT(json(record),
              HasSubstr(R"("ports":[{"netns":4026531840,"family":"ipv4","local":"10.0.0.1",)"
                        R"("remote":{"addr":"10.0.0.2","port":80},"used":28000,)"
                        R"("states":{"ESTABLISHED":1,"TIME_WAIT":27999},)"
                        R"("range":{"low":32768,"high":60999,"reserved":32},"size":28200,)"
                        R"("bound":100,"capacity":28100,"reusable":0,"failed":0,)"
                        R"("forecast":"runs_out","levels_off_at":null,"if_held":false,)"
                        R"("exhausted_in_ns":90000000000},{)"));
  EXPECT_THAT(json(record),
              HasSubstr(R"("forecast":"levels_off","levels_off_at":26000,"if_held":false,)"
                        R"("exhausted_in_ns":null}],)"));
  record.ports[0].failed = 7;
  EXPECT_THAT(json(record), HasSubstr(R"("failed":7,"forecast":"exhausted","levels_off_at":null,)"
                                      R"("if_held":false,"exhausted_in_ns":0})"));
}

FailedConnectsRecord failed(std::uint64_t count, ConnectFailure reason) {
  return {.when = kWhen,
          .process = owner_of(42, "curl").process,
          .one_destination = false,
          .reason = reason,
          .count = count};
}

TEST(StatsJson, ConnectsFailed) {
  StatsRecord record = sample(GroupBy::State, {});
  record.connects_failed = {failed(25, ConnectFailure::NoPort),
                            failed(1, ConnectFailure::PortTaken)};
  record.connects_failed[1].process.reset();
  EXPECT_THAT(json(record),
              HasSubstr(R"("connects_failed":[{"owner":{"pid":42,"comm":"curl","uid":1000,)"
                        R"("via":"connect"},"reason":"no_port","count":25},)"
                        R"({"owner":null,"reason":"port_taken","count":1}],)"));
}

FullQueue full_queue(Family family, const char* address) {
  FullQueue queue{.listener = 0x1a2b, .length = 129, .backlog = 128, .syns_dropped = 1'234};
  queue.flow.family = family;
  queue.flow.local = endpoint(family, address, 8080);
  queue.flow.netns = 4026531840;
  return queue;
}

TEST(StatsJson, SlowHandshakes) {
  StatsRecord record = sample(GroupBy::State, {});
  record.handshakes_retransmitted = 0;
  record.accept_queues_full.emplace();
  EXPECT_THAT(json(record), HasSubstr(R"("handshakes_retransmitted":0,"accept_queues_full":[]})"));
  record.handshakes_retransmitted = 12;
  record.accept_queues_full = {full_queue(Family::Ipv6, "2001:db8::1")};
  EXPECT_THAT(json(record), HasSubstr(R"("handshakes_retransmitted":12,"accept_queues_full":[)"
                                      R"({"listener":"1a2b","netns":4026531840,"family":"ipv6",)"
                                      R"("local":{"addr":"2001:db8::1","port":8080},"length":129,)"
                                      R"("backlog":128,"syns_dropped":1234}]})"));
}

TEST(StatsJson, ThereIsRoomForTheLongest) {
  StatsRow longest = row(State::SynReceived, std::string(4096, '\1'));
  longest.other = true;
  longest.entered = longest.left = longest.now = longest.flagged = longest.inexact = UINT64_MAX;
  longest.dwell = {UINT64_MAX,   Nanos::max(), Nanos::max(),
                   Nanos::max(), Nanos::max(), Nanos::max()};
  PortForecast forecast = kIn90s;
  forecast.runs_out_in = Nanos::max();
  PortUse use = port_use(UINT32_MAX, forecast);
  use.reusable = use.bound = UINT32_MAX;
  use.failed = UINT64_MAX;
  use.site.family = Family::Ipv6;
  use.remote.addr = use.site.local =
      endpoint(Family::Ipv6, "1111:2222:3333:4444:5555:6666:7777:8888", 0).addr;
  use.states.fill(UINT32_MAX);
  StatsRecord record = sample(GroupBy::Cgroup, std::vector<StatsRow>(50, longest));
  record.ports.assign(50, use);
  record.connects_failed.assign(50, failed(UINT64_MAX, ConnectFailure::PortTaken));
  for (FailedConnectsRecord& each : record.connects_failed) each.process->comm.fill('\1');
  FullQueue queue = full_queue(Family::Ipv6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  queue.listener = UINT64_MAX;
  queue.length = queue.backlog = queue.syns_dropped = queue.flow.netns = UINT32_MAX;
  record.handshakes_retransmitted = UINT64_MAX;
  record.accept_queues_full.emplace(50, queue);
  EXPECT_TRUE(json(record).ends_with("}]}\n"));
}

TEST(StatsText, SlowHandshakesOnlyIfThereAreSome) {
  StatsRecord record = sample(GroupBy::State, {});
  const std::string nothing = text(record);
  record.handshakes_retransmitted = 0;
  record.accept_queues_full.emplace();
  EXPECT_EQ(text(record), nothing);
  record.handshakes_retransmitted = 1;
  EXPECT_THAT(text(record), HasSubstr("\n\n1 handshake sent a SYN or SYN-ACK again\n"));
  record.handshakes_retransmitted = 1'234;
  record.accept_queues_full = {full_queue(Family::Ipv4, "10.0.0.1")};
  EXPECT_THAT(text(record), HasSubstr("\n\n1,234 handshakes sent a SYN or SYN-ACK again\n"));
  EXPECT_THAT(text(record),
              HasSubstr("\n\nACCEPT QUEUE FULL       NETNS  LENGTH  BACKLOG  SYNS DROPPED\n"
                        "10.0.0.1:8080      4026531840     129      128         1,234\n"));
}

TEST(StatsText, ATable) {
  EXPECT_EQ(
      without_first_line(text(sample(GroupBy::State, {row(State::TimeWait, "TIME_WAIT"),
                                                      empty_row(State::Closing, "CLOSING")}))),
      "STATE      ENTERED   LEFT  NOW  FLAGGED  MIN     P50     P90     P99      MAX  INEXACT\n"
      "TIME_WAIT    1,234  1,200   34        0  5us  10.0ms  1.000s  2.000s  61.000s        2\n"
      "CLOSING          0      0    0        0    -       -       -       -        -        0\n"
      "\n");
}

TEST(StatsText, ItsHeadSaysWhenAndHowLong) {
  EXPECT_THAT(text(sample(GroupBy::State, {})), HasSubstr(":05.006  10.000s\n"));
  StatsRecord total = sample(GroupBy::State, {});
  total.total = true;
  EXPECT_THAT(text(total), HasSubstr(":05.006  in all  10.000s\n"));
}

TEST(StatsText, AGroupIsNamedOnce) {
  StatsRow other = empty_row(State::Listen, "other");
  other.other = true;
  const std::string table = without_first_line(
      text(sample(GroupBy::Owner,
                  {empty_row(State::Listen, "nginx"), empty_row(State::TimeWait, "nginx"),
                   empty_row(State::SynReceived, std::nullopt), other}),
           {.header = false}));
  EXPECT_EQ(table,
            "nginx    LISTEN        0  0  0  0  -  -  -  -  -  0\n"
            "         TIME_WAIT     0  0  0  0  -  -  -  -  -  0\n"
            "-        SYN_RECEIVED  0  0  0  0  -  -  -  -  -  0\n"
            "(other)  LISTEN        0  0  0  0  -  -  -  -  -  0\n"
            "\n");
}

TEST(StatsText, NamesOfOthersAreHarmless) {
  for (const std::string_view name : kHostile)
    EXPECT_EQ(hostile_byte_in_lines(
                  text(sample(GroupBy::Owner, {empty_row(State::Listen, std::string(name))}))),
              "");
}

TEST(StatsText, PortsAreShownFromATenthOn) {
  StatsRecord record = sample(GroupBy::State, {});
  record.ports = {port_use(14'100, kIn90s), port_use(2'820, {}), port_use(2'819, kLevelsOff)};
  const std::string all = text(record);
  EXPECT_THAT(all, HasSubstr("PORTS IN USE      OF       FORECAST           STATES\n"));
  EXPECT_THAT(all, HasSubstr("10.0.0.1  10.0.0.2:80  4026531840        14,100  28,200  50%"));
  EXPECT_THAT(all, HasSubstr("exhausted in 90 s  ESTABLISHED 1, TIME_WAIT 14,099\n"));
  EXPECT_THAT(all, HasSubstr("2,820  28,200  10%  -"));
  EXPECT_THAT(all, Not(HasSubstr("2,819  28,200")));
  EXPECT_THAT(all, Not(HasSubstr("ports fine")));
}

std::string forecast_of(const PortForecast& forecast, std::uint32_t used = 14'100) {
  StatsRecord record = sample(GroupBy::State, {});
  record.ports = {port_use(used, forecast)};
  const std::string all = text(record);
  const auto begin = all.find("50%  ") + 5;
  return all.substr(begin, all.find("  EST", begin) - begin);
}

TEST(StatsText, Forecasts) {
  EXPECT_EQ(forecast_of(kLevelsOff), "levels off at 26,000 of 28,200");
  EXPECT_EQ(forecast_of({.outlook = Outlook::LevelsOff, .level = 28'000, .peaks = true}),
            "levels off at 28,000 of 28,200, but may peak above");
  EXPECT_EQ(forecast_of({.outlook = Outlook::LevelsOff, .level = 50}), "falls to 50 of 28,200");
  EXPECT_EQ(forecast_of({.outlook = Outlook::NearLimit, .level = 28'300}),
            "too near the limit to forecast: 28,300 of 28,200");
  EXPECT_EQ(forecast_of({.outlook = Outlook::Grows, .per_second = 0.5}), "grows by 30.0 a minute");
  EXPECT_EQ(forecast_of({.outlook = Outlook::RunsOut, .runs_out_in = 200s, .if_held = true}),
            "exhausted in 3m20s if none is closed");
  EXPECT_EQ(forecast_of({.outlook = Outlook::Full, .runs_out_in = 0s}),
            "all in use: the next connect() fails");
}

TEST(StatsText, ExhaustedIsAlwaysShown) {
  StatsRecord record = sample(GroupBy::State, {});
  record.ports = {port_use(5, kLevelsOff)};
  record.ports[0].failed = 1'025;
  record.connects_failed = {failed(1'025, ConnectFailure::NoPort)};
  EXPECT_THAT(text(record), HasSubstr("EXHAUSTED: 1,025 connects failed in this interval"));
  EXPECT_THAT(text(record), HasSubstr("CONNECTS FAILED  WHY                                    BY\n"
                                      "          1,025  no local port is free (EADDRNOTAVAIL)  "
                                      "curl[42]\n"));
  record.total = true;
  EXPECT_THAT(text(record), HasSubstr("EXHAUSTED: 1,025 connects failed  EST"));
}

TEST(StatsText, SaysThatPortsAreFine) {
  StatsRecord record = sample(GroupBy::State, {});
  EXPECT_THAT(text(record), Not(HasSubstr("ports"))) << "nobody connects";
  record.ports = {port_use(1'819, {.outlook = Outlook::LevelsOff, .level = 1'900})};
  EXPECT_THAT(text(record),
              HasSubstr("\nports fine, for connect() without bind(): at most 1,819 of "
                        "28,200 are in use to one destination (10.0.0.2:80)\n"));
  record.ports[0].forecast = {};
  EXPECT_THAT(text(record), Not(HasSubstr("ports fine"))) << "it is not known";
}

TEST(StatsText, PrintsLosses) {
  Captured captured;
  StatsText sink(captured.output(), {});
  Sink& records = sink;
  records.write(LostRecord{.when = kWhen, .events = 7, .transitions = 3});
  records.write(EndRecord{.when = kWhen});
  EXPECT_THAT(captured.text(), HasSubstr(" LOST 7 events, 3 of them transitions (ring_full)\n"));
}

TEST(StatsText, TheHistogramIsBelowTheTable) {
  StatsRecord record = sample(GroupBy::State, {});
  record.histogram.emplace(State::TimeWait, Histogram{});
  EXPECT_THAT(text(record), HasSubstr("\nTIME_WAIT, 0 dwells exact\n"));
  record.histogram->second.add(60s);
  EXPECT_THAT(text(record),
              HasSubstr("\nTIME_WAIT, 1 dwell exact\n59.592s  to 60.129s  1  100.0%"));
}

std::string bars(const std::string& drawn) {
  std::string counts;
  for (std::size_t at = 0; at < drawn.size(); at = drawn.find('\n', at) + 1) {
    const std::string line = drawn.substr(at, drawn.find('\n', at) - at);
    counts += line.substr(0, line.find_last_of("0123456789%") + 1) + "|" +
              std::to_string(count_of(line, "#")) + "\n";
  }
  return counts;
}

TEST(HistogramText, EqualStepsForCloseValues) {
  Histogram histogram;
  for (int i = 0; i < 100; ++i) histogram.add(60s + i * 20ms);
  EXPECT_EQ(bars(draw_histogram(histogram)),
            "59.592s  to 60.129s   7   7.0%|13\n"
            "60.129s  to 60.666s  27  27.0%|50\n"
            "60.666s  to 61.203s  27  27.0%|50\n"
            "61.203s  to 61.740s  27  27.0%|50\n"
            "61.740s  to 62.277s  12  12.0%|23\n");
}

TEST(HistogramText, OutliersDoNotSqueezeTheRest) {
  Histogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.add(60s + i * 2ms);
  histogram.add(4s);
  histogram.add(5min);
  const std::string drawn = bars(draw_histogram(histogram));
  EXPECT_TRUE(drawn.starts_with("    0us  to 59.592s    1   0.1%|1\n")) << drawn;
  EXPECT_TRUE(drawn.ends_with("62.277s  or more       1   0.1%|1\n")) << drawn;
  EXPECT_EQ(count_of(drawn, "\n"), 7U) << drawn;
}

TEST(HistogramText, NoMoreLinesThanATerminalHas) {
  Histogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.add(1s + i * 900us);
  EXPECT_LE(count_of(draw_histogram(histogram), "\n"), 26U);
}

TEST(HistogramText, FactorsForDistantValues) {
  Histogram histogram;
  for (const Nanos value : {3us, 30us, 30us, 30us, 300us}) histogram.add(value);
  EXPECT_EQ(bars(draw_histogram(histogram)),
            "  2us  to 5us    1  20.0%|17\n"
            "  5us  to 10us   0   0.0%|0\n"
            " 10us  to 20us   0   0.0%|0\n"
            " 20us  to 50us   3  60.0%|50\n"
            " 50us  to 100us  0   0.0%|0\n"
            "100us  to 200us  0   0.0%|0\n"
            "200us  to 500us  1  20.0%|17\n");
}

TEST(HistogramText, CountsEachOnce) {
  for (unsigned seed = 1; seed < 200; ++seed) {
    Histogram histogram;
    std::uint64_t state = seed * 0x9e3779b97f4a7c15;
    for (int i = 0; i < 50; ++i) {
      state = state * 6364136223846793005 + 1442695040888963407;
      histogram.add(Nanos{static_cast<std::int64_t>(state >> (1 + seed % 63))});
    }
    const std::string drawn = draw_histogram(histogram);
    std::uint64_t all = 0;
    std::istringstream lines(drawn);
    std::string from, to, until;
    std::uint64_t count = 0;
    for (std::string line; std::getline(lines, line); all += count)
      std::istringstream(line) >> from >> to >> until >> count;
    EXPECT_EQ(all, 50U) << drawn;
  }
  EXPECT_THAT(draw_histogram(Histogram{}), IsEmpty());
}

}  // namespace
}  // namespace tcpdwell
