// SPDX-License-Identifier: Apache-2.0
// Forecasts whether the local ports to one destination last, from the present sample at the table
// and earlier ones. Pure.
//
// A port is in use by an open connection ("held"), and then by its TIME_WAIT, whose length is
// known. The ages of the TIME_WAITs show how many began in each second of the last minute. So a
// single sample gives the rate of new ones, and when the present ones end. Only the number of held
// ones needs earlier samples.
//
// The outlook is Unknown if there are too few samples, or if only some rates of the last minute
// support it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/types.h"

namespace tcpdwell {

enum class Outlook : std::uint8_t {
  Unknown,    // too few samples, or too uneven rates
  LevelsOff,  // at `level`, which is below the capacity
  NearLimit,  // levels off too near the capacity to decide
  Grows,      // the number of held ports grows; too early to say when they run out
  RunsOut,    // in `runs_out_in`
  Full,       // no port is left: the next connect() fails
};
std::string_view name(Outlook outlook);

struct PortForecast {
  Outlook outlook = Outlook::Unknown;
  std::uint32_t level = 0;           // LevelsOff, NearLimit
  bool peaks = false;                // LevelsOff: the highest rate would use up all ports
  std::optional<Nanos> runs_out_in;  // RunsOut, Full
  // RunsOut: with the highest and with the lowest rate of the last minute. nullopt: not known.
  std::optional<Nanos> earliest, latest;
  bool if_held = false;   // RunsOut: provided that no open connection is closed
  double per_second = 0;  // rate of new TIME_WAITs; with growth: of held ports
};

// How long TIME_WAIT lasts.
struct TimeWaitLength {
  Nanos min = std::chrono::seconds{60}, max = std::chrono::seconds{62};
};

// The ports in use from one local address to one destination, at one time.
struct PortSample {
  static constexpr std::size_t kAges = 64;
  Nanos at{};
  std::uint32_t capacity = 0;               // ports that connect() may choose
  std::uint32_t held = 0;                   // not in TIME_WAIT
  std::uint32_t brief = 0;                  // in TIME_WAIT, reusable within tcp_tw_reuse_delay
  std::uint32_t lasting = 0;                // in TIME_WAIT for its full length
  std::array<std::uint16_t, kAges> ages{};  // `lasting`, by age in seconds
  Nanos oldest{};                           // age of the oldest `lasting` one
  bool reuse_known = true;  // false: tcp_tw_reuse is not known, and all count as lasting

  void add_lasting(Nanos age);
  std::uint32_t used() const { return held + brief + lasting; }
};

// Earlier samples. Old ones are thinned out, so that their number grows with the logarithm of the
// time.
class PortHistory {
 public:
  void add(const PortSample& sample);
  void clear() { samples_.clear(); }
  std::size_t size() const { return samples_.size(); }

  struct Bounds {
    std::uint32_t low = 0, high = 0;
  };
  // Minimum and maximum over the last minute, including this sample.
  Bounds held(const PortSample& sample) const;
  Bounds brief(const PortSample& sample) const;
  // Steady growth of the held ports up to now; `span`: for how long.
  struct Growth {
    double per_second = 0;
    Nanos span{};
  };
  std::optional<Growth> growth(const PortSample& sample) const;
  Nanos span(const PortSample& sample) const;  // since the first sample

 private:
  struct Sample {
    Nanos at{};
    std::uint32_t held = 0, brief = 0;
  };
  std::vector<Sample> series(const PortSample& sample) const;
  void thin_out();

  std::vector<Sample> samples_;
};

PortForecast forecast(const PortSample& sample, const PortHistory& history,
                      const TimeWaitLength& length);

}  // namespace tcpdwell
