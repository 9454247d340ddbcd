// SPDX-License-Identifier: Apache-2.0
// A time in a recording, as --since and --until take it.
#pragma once

#include <optional>
#include <string_view>

#include "model/record.h"
#include "model/types.h"

namespace tcpdwell {

struct ReplayTime {
  enum class Kind : std::uint8_t {
    Offset,   // from the beginning of the recording
    OfDay,    // local time: the first such moment of the recording, or less than a minute before it
    Absolute  // since 1970
  } kind = Kind::Offset;
  Nanos value{};
};

// "+90s"; "03:12", "03:12:05.5" (local time); "2026-11-21T03:12:05Z", also without seconds, with a
// blank for T, with "+02:00" for Z, or without it (local time). nullopt: anything else.
std::optional<ReplayTime> parse_replay_time(std::string_view text);

// A ReplayTime in one recording.
class ReplayMoment {
 public:
  // `begin`: of the recording, with its wall-clock time.
  ReplayMoment(const ReplayTime& time, const When& begin);
  // True from this moment on. Follows the steps of the recorded wall clock, unless it is an offset.
  bool is_reached(const When& when) const {
    return (by_wall_clock_ ? when.unix_time : when.mono) >= at_;
  }

 private:
  bool by_wall_clock_;
  Nanos at_;
};

}  // namespace tcpdwell
