// SPDX-License-Identifier: Apache-2.0
// The times of text output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>

#include "model/record.h"

namespace tcpdwell {

enum class TimeFormat : std::uint8_t {
  Local,  // "12:34:56.789", in the local time zone
  Iso,    // "2026-11-28T12:34:56.789Z"
  Mono,   // "57600.123456": seconds of the kernel's monotonic clock
};

// Caches the last second, which most records share.
class TextClock {
 public:
  explicit TextClock(TimeFormat format = TimeFormat::Local) : format_(format) {}
  std::string format(const When& when);
  std::size_t width() const;  // of what format() returns

  // "2026-11-28", if that is not the local date of the last call. nullopt for the first call, and
  // in a format that needs no date.
  std::optional<std::string> new_date(const When& when);

 private:
  TimeFormat format_;
  std::time_t second_ = -1;
  std::string text_;
  std::time_t day_begins_ = 0, day_ends_ = 0;  // of the last call of new_date(); 0: none
};

// "2026-11-28 12:34:56 +0100", in the local time zone.
std::string format_date(const When& when);

}  // namespace tcpdwell
