// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_clock.h"

#include <fmt/format.h>

#include <array>

namespace tcpdwell {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::time_t seconds_of(const When& when) {
  return static_cast<std::time_t>(when.unix_time.count() / kSecond);
}

std::string text_of(const std::tm& time, const char* format) {
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), format, &time);
  return text.data();
}

std::tm local_time(std::time_t second) {
  std::tm local{};
  ::localtime_r(&second, &local);
  return local;
}

}  // namespace

std::string TextClock::format(const When& when) {
  if (format_ == TimeFormat::Mono)
    return fmt::format("{:>7}.{:06}", when.mono.count() / kSecond,
                       when.mono.count() % kSecond / 1000);
  const std::time_t second = seconds_of(when);
  if (second != second_) {
    std::tm utc{};
    text_ = format_ == TimeFormat::Iso ? text_of(*::gmtime_r(&second, &utc), "%Y-%m-%dT%H:%M:%S")
                                       : text_of(local_time(second), "%H:%M:%S");
    second_ = second;
  }
  return fmt::format("{}.{:03}{}", text_, when.unix_time.count() / 1'000'000 % 1000,
                     format_ == TimeFormat::Iso ? "Z" : "");
}

std::size_t TextClock::width() const {
  switch (format_) {
    case TimeFormat::Iso: return 24;
    case TimeFormat::Mono: return 14;
    case TimeFormat::Local: break;
  }
  return 12;
}

std::optional<std::string> TextClock::new_date(const When& when) {
  const std::time_t second = seconds_of(when);
  if (format_ != TimeFormat::Local || second <= 0 || (second >= day_begins_ && second < day_ends_))
    return std::nullopt;
  const std::tm local = local_time(second);
  const bool first = day_ends_ == 0;
  // mktime() normalizes the next day, and knows days of 23 and 25 hours.
  std::tm day{};
  day.tm_year = local.tm_year;
  day.tm_mon = local.tm_mon;
  day.tm_mday = local.tm_mday;
  day.tm_isdst = -1;
  std::tm next = day;
  ++next.tm_mday;
  day_begins_ = std::mktime(&day);
  day_ends_ = std::mktime(&next);
  return first ? std::nullopt : std::optional(text_of(local, "%Y-%m-%d"));
}

std::string format_date(const When& when) {
  return text_of(local_time(seconds_of(when)), "%Y-%m-%d %H:%M:%S %z");
}

}  // namespace tcpdwell
