// SPDX-License-Identifier: Apache-2.0
// Local ports: the curve, the forecast that is drawn, and what is said of both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/findings.h"
#include "report/pictures.h"
#include "support/reported.h"

namespace tcpdwell::report_story {
namespace {

using namespace reporting;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class Client {
 public:
  explicit Client(std::uint16_t ports) {
    reported.table.on(NamespaceEvent{.at = kBegan,
                                     .netns_cookie = 1,
                                     .port_low = 20000,
                                     .port_high = static_cast<std::uint16_t>(20000 + ports - 1),
                                     .tw_reuse = std::uint8_t{0}});
  }
  // Connects and closes first, `per_second` times a second.
  void connects_and_closes(int per_second, int begin, int end) {
    for (int second = begin; second < end; ++second)
      for (int i = 0; i < per_second; ++i) {
        const Nanos at = second * 1s + i * (1s / per_second);
        reported.wait(at);
        connects(++cookie_, at);
        closes(at + 10ms);
      }
  }
  void connects(std::uint64_t cookie, Nanos at) {
    auto syn = reported.moves(State::Closed, State::SynSent, at, cookie);
    syn.flow.local.port = 0;  // chosen by connect() after this
    reported.table.on(syn);
    reported.table.on(reported.moves(State::SynSent, State::Established, at + 1ms, cookie));
  }
  void finds_no_port(Nanos at) {
    FailedConnectsRecord failed{.when = reported.table.when(kBegan + at)};
    failed.process = make_process(42, "app");
    failed.flow = reported.moves(State::Closed, State::SynSent, at, 1).flow;
    failed.flow.local.port = 0;
    failed.count = 3;
    reported.collector.write(failed);
  }
  Reported reported;

 private:
  void closes(Nanos at) {
    const auto tell = [&](State from, State to, Nanos when) {
      auto event = reported.moves(from, to, when, cookie_);
      event.dead = to == State::Closed;
      reported.table.on(event);
    };
    tell(State::Established, State::FinWait1, at);
    tell(State::FinWait1, State::FinWait2, at + 1ms);
    TimewaitEvent minisock{.at = kBegan + at + 2ms,
                           .op = TimerOp::Start,
                           .object = 0x9000 + cookie_,
                           .cookie = cookie_};
    minisock.flow = make_flow(static_cast<std::uint16_t>(20000 + cookie_ % 40000));
    reported.table.on(minisock);
    tell(State::FinWait2, State::Closed, at + 2ms);
  }
  std::uint64_t cookie_ = 0;
};

double seconds(Nanos time) { return std::chrono::duration<double>(time).count(); }

std::string findings_of(const ReportData& data) {
  std::string text;
  for (const Finding& finding : find_all(data)) text += finding.text + '\n';
  return text;
}

TEST(Ports, AForecastOfTheEndIsDrawnBehindIt) {
  Client client(200);
  client.connects_and_closes(5, 0, 20);
  const ReportData data = client.reported.finish(20s);
  ASSERT_THAT(data.ports, SizeIs(1));
  const PortCurve& curve = data.ports.front();
  EXPECT_EQ(curve.used.back(), 100U);
  const PortForecast& forecast = curve.use.forecast;
  ASSERT_EQ(forecast.outlook, Outlook::RunsOut);
  ASSERT_TRUE(forecast.earliest && forecast.latest);
  EXPECT_LE(*forecast.earliest, *forecast.runs_out_in);
  EXPECT_GE(*forecast.latest, *forecast.runs_out_in);
  const std::string picture = ports_picture(data);
  EXPECT_THAT(picture, AllOf(HasSubstr("class=\"forecast\""), HasSubstr("class=\"maybe\""),
                             HasSubstr("area ports faded"), HasSubstr("end of the report"),
                             HasSubstr("no port left in 20s, 03:04:4")));
  EXPECT_THAT(picture, HasSubstr("Forecasts that ports run out")) << "the table";
  EXPECT_THAT(findings_of(data), HasSubstr("<b>100 of 200 ports</b> are in use"));
  EXPECT_THAT(findings_of(data), HasSubstr("At this rate, no port is left <b>in 20s</b>"));
}

TEST(Ports, TheFirstForecastIsShownWithWhatCameOfIt) {
  Client client(200);
  client.connects_and_closes(5, 0, 40);
  client.finds_no_port(41s);
  const ReportData data = client.reported.finish(45s);
  ASSERT_THAT(data.ports, SizeIs(1));
  const PortCurve& curve = data.ports.front();
  ASSERT_TRUE(curve.warning);
  EXPECT_NEAR(seconds(curve.warned - kBegan), 5.5, 1) << "TIME_WAITs of five seconds are a rate";
  EXPECT_NEAR(seconds(curve.warned + *curve.warning->forecast.runs_out_in - kBegan), 40, 3);
  EXPECT_EQ(curve.first_failed, kBegan + 41s);
  const std::string text = findings_of(data);
  EXPECT_THAT(text, HasSubstr("<b>3 connect() calls</b> of <b>app[42]</b> found no free port "
                              "(EADDRNOTAVAIL), the first at 03:04:46. A forecast first warned"));
  EXPECT_THAT(text, Not(HasSubstr("failed: no local port"))) << "it was told";
  EXPECT_THAT(ports_picture(data),
              AllOf(HasSubstr("class=\"forecast\""), HasSubstr("forecast of 03:04:")));
}

TEST(Ports, NoForecastIsDrawnWherePortsLast) {
  Client client(200);
  client.connects_and_closes(2, 0, 40);
  const ReportData data = client.reported.finish(40s);
  ASSERT_THAT(data.ports, SizeIs(1));
  EXPECT_FALSE(data.ports.front().warning);
  EXPECT_THAT(ports_picture(data), AllOf(Not(HasSubstr("class=\"forecast\"")),
                                         Not(HasSubstr("Forecasts that ports run out")),
                                         HasSubstr("Forecast: levels off at ")));
}

TEST(Ports, ADestinationWithoutConnectionsHasNoPortsInUse) {
  Client client(200);
  client.connects(1, 1s);
  client.reported.wait(2s);
  client.reported.peer_closes(1, 3s);
  client.reported.closes(1, 4s);
  client.reported.wait(5s);
  const ReportData data = client.reported.finish(10s);
  ASSERT_THAT(data.ports, SizeIs(1));
  EXPECT_EQ(data.ports.front().used[20], 1U);
  EXPECT_EQ(data.ports.front().used.back(), 0U);
  EXPECT_THAT(ports_picture(data), HasSubstr("<b>0 of 200 ports</b> are in use"));
}

}  // namespace
}  // namespace tcpdwell::report_story
