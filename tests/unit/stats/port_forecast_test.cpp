// SPDX-License-Identifier: Apache-2.0
// Forecasts for simulated clients, and Unknown where a forecast would be a guess. Each client is
// simulated in small steps, with the port rules of the kernel.
#include "stats/port_forecast.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <string>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr double kStep = 0.05;  // seconds

// A client that closes first. A sample is taken every ten seconds.
class Client {
 public:
  std::uint32_t capacity = 200;
  double held_for = 0;  // how long a connection is open, in seconds
  bool never_closes = false;
  bool reuses = false;  // connect() reuses a TIME_WAIT after a second
  bool reuse_known = true;
  double look_every = 10;
  std::function<double(double)> rate;  // new connections a second
  bool ran_out = false;

  explicit Client(double per_second) : rate([=](double) { return per_second; }) {}
  explicit Client(std::function<double(double)> per_second) : rate(std::move(per_second)) {}

  // Simulates up to a time, and returns the forecast of a sample at that time.
  PortForecast at(double seconds) {
    while (now_ < seconds - kStep / 2) step();
    return sample();
  }
  std::uint32_t used() const { return static_cast<std::uint32_t>(open_.size() + lasting()); }

 private:
  std::size_t lasting() const {
    if (!reuses) return waiting_.size();
    return static_cast<std::size_t>(std::count_if(
        waiting_.begin(), waiting_.end(), [this](double since) { return now_ - since <= 1; }));
  }
  void step() {
    now_ += kStep;
    while (!waiting_.empty() && now_ - waiting_.front() >= 61) waiting_.pop_front();
    while (!never_closes && !open_.empty() && now_ - open_.front() >= held_for) {
      waiting_.push_back(open_.front() + held_for);
      open_.pop_front();
    }
    for (owed_ += rate(now_) * kStep; owed_ >= 1; --owed_) {
      if (used() >= capacity) {
        ran_out = true;
        continue;
      }
      if (reuses && open_.size() + waiting_.size() >= capacity) waiting_.pop_front();
      open_.push_back(now_);
    }
    if (now_ >= next_look_) {
      next_look_ += look_every;
      sample();
    }
  }
  PortForecast sample() {
    PortSample sample;
    sample.at = nanos(now_);
    sample.capacity = capacity;
    sample.held = static_cast<std::uint32_t>(open_.size());
    sample.reuse_known = reuse_known;
    for (const double since : waiting_) {
      const bool may_go = reuses && now_ - since > 1;
      if (reuses && !may_go) ++sample.brief;
      if (!reuses) sample.add_lasting(nanos(now_ - since));
    }
    const PortForecast result = forecast(sample, history_, {60s, 62048ms});
    history_.add(sample);
    return result;
  }
  static Nanos nanos(double seconds) { return Nanos{static_cast<std::int64_t>(seconds * 1e9)}; }

  double now_ = 0, owed_ = 0, next_look_ = 10;
  std::deque<double> open_, waiting_;
  PortHistory history_;
};

std::string text(const PortForecast& result) {
  std::string text(name(result.outlook));
  if (result.level != 0) text += " " + std::to_string(result.level);
  if (result.runs_out_in)
    text += " in " +
            std::to_string(std::chrono::round<std::chrono::seconds>(*result.runs_out_in).count());
  if (result.if_held) text += " if held";
  if (result.peaks) text += ", peaks";
  return text;
}

TEST(PortForecast, ThreeASecondLevelOff) {
  for (const double when : {10, 20, 30, 60, 70, 100, 150}) {
    Client client(3.0);
    const PortForecast result = client.at(when);
    EXPECT_EQ(result.outlook, Outlook::LevelsOff) << when << ": " << text(result);
    EXPECT_NEAR(result.level, 183, 6) << when << ": " << text(result);
    client.at(150);
    EXPECT_FALSE(client.ran_out);
  }
}

TEST(PortForecast, FiveASecondRunOut) {
  for (const double when : {10, 20, 30}) {
    const PortForecast result = Client(5.0).at(when);
    ASSERT_EQ(result.outlook, Outlook::RunsOut) << when << ": " << text(result);
    EXPECT_NEAR(std::chrono::duration<double>(*result.runs_out_in).count(), 40 - when, 2);
    EXPECT_FALSE(result.if_held);
  }
  EXPECT_EQ(text(Client(5.0).at(45)), "full in 0");
}

// For many rates, the forecast after half a minute comes true.
TEST(PortForecast, ComesTrueForManyRates) {
  for (double rate = 0.5; rate <= 10; rate += 0.25) {
    Client client(rate);
    const PortForecast result = client.at(30);
    client.at(150);
    const bool runs_out = result.outlook == Outlook::RunsOut || result.outlook == Outlook::Full;
    const bool levels_off = result.outlook == Outlook::LevelsOff && !result.peaks;
    EXPECT_TRUE(!runs_out || client.ran_out) << rate << ": " << text(result);
    EXPECT_TRUE(!levels_off || !client.ran_out) << rate << ": " << text(result);
    EXPECT_NE(result.outlook, Outlook::Unknown) << rate;
    EXPECT_NE(result.outlook, Outlook::Grows) << rate;
  }
}

TEST(PortForecast, NearLimitIsUndecided) {
  const PortForecast result = Client(3.26).at(120);
  EXPECT_TRUE(result.outlook == Outlook::NearLimit || result.peaks) << text(result);
}

TEST(PortForecast, TooFewSamplesAreUnknown) {
  EXPECT_EQ(Client(20.0).at(3).outlook, Outlook::Unknown);
  Client none(0.0);
  EXPECT_EQ(text(none.at(30)), "levels_off") << "no connections: at 0";
}

TEST(PortForecast, BurstDoesNotRunOut) {
  const auto burst = [](double now) { return now < 2 ? 75.0 : 0.0; };
  for (const double when : {4, 6, 8, 10, 15, 20, 40, 60})
    EXPECT_NE(Client(burst).at(when).outlook, Outlook::RunsOut) << when;
  const PortForecast result = Client(burst).at(20);
  EXPECT_EQ(text(result), "levels_off") << "at 0";
}

// TIME_WAITs of a burst are still there while new connections come.
TEST(PortForecast, RestOfBurstCounts) {
  const auto burst = [](double now) { return now < 2 ? 75.0 : 2.0; };
  Client client(burst);
  const PortForecast result = client.at(20);
  client.at(60);
  EXPECT_TRUE(client.ran_out);
  EXPECT_EQ(result.outlook, Outlook::RunsOut)
      << text(result) << ": 2 x 61 would fit, 150 + 2 x 40 do not";
}

TEST(PortForecast, UsesLatestRate) {
  const auto rising = [](double now) { return now < 60 ? 1.0 : 8.0; };
  EXPECT_EQ(Client(rising).at(60).outlook, Outlook::LevelsOff);
  EXPECT_EQ(Client(rising).at(72).outlook, Outlook::RunsOut);
  const auto falling = [](double now) { return now < 15 ? 8.0 : 1.0; };
  Client client(falling);
  EXPECT_EQ(client.at(14).outlook, Outlook::RunsOut);
  EXPECT_NE(client.at(30).outlook, Outlook::RunsOut);
}

TEST(PortForecast, UnevenRatesAreUnknown) {
  const auto waves = [](double now) { return std::fmod(now, 30) < 3 ? 20.0 : 0.0; };
  for (double when = 10; when < 120; when += 10) {
    Client client(waves);
    const PortForecast result = client.at(when);
    EXPECT_NE(result.outlook, Outlook::RunsOut) << when << ": at most 120 are in use";
  }
}

// tcp_tw_reuse: a TIME_WAIT older than a second can be reused.
TEST(PortForecast, ReusedTimeWaitsDoNotAddUp) {
  for (const double rate : {3.0, 10.0, 50.0}) {
    Client client(rate);
    client.reuses = true;
    for (const double when : {10, 30, 60, 100}) {
      const PortForecast result = client.at(when);
      EXPECT_EQ(result.outlook, Outlook::LevelsOff)
          << rate << " at " << when << ": " << text(result);
      EXPECT_NEAR(result.level, rate, 3);
    }
    EXPECT_FALSE(client.ran_out);
  }
  Client client(250.0);
  client.reuses = true;
  EXPECT_EQ(text(client.at(10)), "full in 0");
}

TEST(PortForecast, UnknownReuseNeverRunsOut) {
  Client client(5.0);
  client.reuse_known = false;
  EXPECT_EQ(client.at(10).outlook, Outlook::Unknown);
  EXPECT_EQ(client.at(50).outlook, Outlook::Unknown)
      << "all ports are in TIME_WAIT, but may be reusable";
  Client slow(1.0);
  slow.reuse_known = false;
  EXPECT_EQ(slow.at(30).outlook, Outlook::LevelsOff) << "ports last with and without reuse";
}

TEST(PortForecast, LongHeldConnectionsAreNoLeak) {
  Client client(1.0);
  client.held_for = 20;
  for (double when = 10; when <= 150; when += 10) {
    const PortForecast result = client.at(when);
    EXPECT_NE(result.outlook, Outlook::RunsOut) << when << ": " << text(result);
  }
  const PortForecast result = client.at(160);
  EXPECT_EQ(result.outlook, Outlook::LevelsOff) << text(result);
  EXPECT_NEAR(result.level, 81, 4);
  EXPECT_FALSE(client.ran_out);
}

TEST(PortForecast, LeakRunsOutIfNothingIsClosed) {
  Client client(1.0);
  client.never_closes = true;
  EXPECT_EQ(client.at(40).outlook, Outlook::Grows) << "too early to say";
  const PortForecast result = client.at(120);
  ASSERT_EQ(result.outlook, Outlook::RunsOut) << text(result);
  EXPECT_TRUE(result.if_held);
  EXPECT_NEAR(std::chrono::duration<double>(*result.runs_out_in).count(), 80, 3);
}

TEST(PortForecast, SlowLeakIsDetected) {
  Client client(1.0 / 20);
  client.never_closes = true;
  client.capacity = 1000;
  PortForecast result;
  for (double when = 10; when <= 3600; when += 10) result = client.at(when);
  EXPECT_EQ(result.outlook, Outlook::Grows) << text(result);
  EXPECT_NEAR(result.per_second, 0.05, 0.01);
}

TEST(PortForecast, HeldPortsWithoutHistoryAreUnknown) {
  PortSample sample{.at = 1s, .capacity = 200, .held = 100};
  EXPECT_EQ(forecast(sample, {}, {}).outlook, Outlook::Unknown) << "they may stay or be closed";
  sample.held = 10;
  EXPECT_EQ(text(forecast(sample, {}, {})), "levels_off 10");
  sample.held = sample.capacity = 0;
  EXPECT_EQ(text(forecast(sample, {}, {})), "full in 0") << "all are bound or reserved";
}

TEST(PortHistory, SizeIsLogarithmicInTime) {
  PortHistory history;
  for (int i = 0; i < 100'000; ++i) history.add({.at = i * 10s, .held = 7});
  EXPECT_LT(history.size(), 80U);
  const PortSample sample{.at = 100'000 * 10s, .held = 7};
  EXPECT_EQ(history.span(sample), 100'000 * 10s);
  EXPECT_FALSE(history.growth(sample));
  EXPECT_EQ(history.held(sample).low, 7U);
}

}  // namespace
}  // namespace tcpdwell
