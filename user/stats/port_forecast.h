// SPDX-License-Identifier: Apache-2.0
// Do the local ports to one destination last? From one look at who has them, and from earlier ones.
// Pure.
//
// A port is taken by a connection that is open ("held"), and then by its TIME_WAIT, whose length is
// known. The ages of those in TIME_WAIT are a record of the last minute: how many came in each
// second. So one look tells how many come, and when those that are there go. Only for the held ones
// looks are compared.
//
// Nothing is said that rests on few samples, or that holds at some of the rates of the last minute
// and not at others.
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
  Unknown,    // too few samples, or too uneven
  LevelsOff,  // at `level`, which is below the capacity
  NearLimit,  // at about the capacity: too near to say
  Grows,      // more and more are held; too early to say for how long that can go on
  RunsOut,    // in `runs_out_in`
  Full,       // all are taken: the next connect() fails
};
std::string_view name(Outlook outlook);

struct PortForecast {
  Outlook outlook = Outlook::Unknown;
  std::uint32_t level = 0;           // LevelsOff, NearLimit
  bool peaks = false;                // LevelsOff: at its highest rates it would run out
  std::optional<Nanos> runs_out_in;  // RunsOut, Full
  bool if_held = false;              // RunsOut: if none of those that are open is closed
  double per_second = 0;             // new ones in TIME_WAIT; Grows: more that are held
};

// How long TIME_WAIT lasts.
struct TimeWaitLength {
  Nanos min = std::chrono::seconds{60}, max = std::chrono::seconds{62};
};

// What takes ports of one local address to one destination, at one time.
struct PortLook {
  static constexpr std::size_t kAges = 64;
  Nanos at{};
  std::uint32_t capacity = 0;               // ports that connect() may choose
  std::uint32_t held = 0;                   // not in TIME_WAIT
  std::uint32_t brief = 0;                  // in TIME_WAIT, but to be reused very soon
  std::uint32_t lasting = 0;                // in TIME_WAIT for all of its time
  std::array<std::uint16_t, kAges> ages{};  // `lasting`, by age in seconds
  Nanos oldest{};                           // of them
  bool reuse_known = true;  // whether a TIME_WAIT may be reused; else all count as lasting

  void add_lasting(Nanos age);
  std::uint32_t used() const { return held + brief + lasting; }
};

// Earlier looks: near ones dense, far ones sparse, so that their number grows with the logarithm of
// the time.
class PortHistory {
 public:
  void add(const PortLook& look);
  void clear() { samples_.clear(); }
  std::size_t size() const { return samples_.size(); }

  struct Bounds {
    std::uint32_t low = 0, high = 0;
  };
  // Of the last minute, with this look.
  Bounds held(const PortLook& look) const;
  Bounds brief(const PortLook& look) const;
  // The held ones grow steadily until now, and for how long they did.
  struct Growth {
    double per_second = 0;
    Nanos span{};
  };
  std::optional<Growth> growth(const PortLook& look) const;
  Nanos span(const PortLook& look) const;  // since the first look

 private:
  struct Sample {
    Nanos at{};
    std::uint32_t held = 0, brief = 0;
  };
  std::vector<Sample> series(const PortLook& look) const;
  void thin_out();

  std::vector<Sample> samples_;
};

PortForecast forecast(const PortLook& look, const PortHistory& history,
                      const TimeWaitLength& length);

}  // namespace tcpdwell
