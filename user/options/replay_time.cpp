// SPDX-License-Identifier: Apache-2.0
#include "options/replay_time.h"

#include <charconv>
#include <ctime>

#include "util/duration.h"

namespace tcpdwell {
namespace {

// Reads parts of a time from the front of a text; after a failure, ok() is false.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  bool ok() const { return ok_; }
  bool at_end() const { return text_.empty(); }
  bool take(char c) {
    const bool found = ok_ && text_.starts_with(c);
    if (found) text_.remove_prefix(1);
    return found;
  }
  void require(char c) { ok_ = take(c) && ok_; }
  // Exactly `digits` digits, between `least` and `most`.
  int number(std::size_t digits, int least, int most) {
    int value = 0;
    const std::string_view part = text_.substr(0, digits);
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    ok_ = ok_ && part.size() == digits && error == std::errc{} &&
          end == part.data() + part.size() && part.front() != '-' && value >= least &&
          value <= most;
    text_.remove_prefix(part.size());
    return ok_ ? value : 0;
  }
  // The digits after a decimal point, up to nine.
  Nanos fraction() {
    std::int64_t nanos = 0;
    std::size_t digits = 0;
    for (; ok_ && !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; ++digits) {
      if (digits < 9) nanos = nanos * 10 + (text_.front() - '0');
      text_.remove_prefix(1);
    }
    ok_ = ok_ && digits > 0;
    for (; digits < 9; ++digits) nanos *= 10;
    return Nanos{nanos};
  }

 private:
  std::string_view text_;
  bool ok_ = true;
};

struct ClockTime {
  int hour = 0, minute = 0, second = 0;
  Nanos fraction{};
};

ClockTime take_clock_time(Scanner& in) {
  ClockTime time;
  time.hour = in.number(2, 0, 23);
  in.require(':');
  time.minute = in.number(2, 0, 59);
  if (in.take(':')) {
    time.second = in.number(2, 0, 60);
    if (in.take('.')) time.fraction = in.fraction();
  }
  return time;
}

// nullopt: local time.
std::optional<std::chrono::minutes> take_zone(Scanner& in) {
  if (in.take('Z')) return std::chrono::minutes{0};
  const bool east = in.take('+');
  if (!east && !in.take('-')) return std::nullopt;
  const int hours = in.number(2, 0, 14);
  in.take(':');
  const int minutes = hours * 60 + in.number(2, 0, 59);
  return std::chrono::minutes{east ? minutes : -minutes};
}

std::optional<ReplayTime> parse_of_day(std::string_view text) {
  Scanner in(text);
  const ClockTime time = take_clock_time(in);
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return ReplayTime{ReplayTime::Kind::OfDay, std::chrono::hours{time.hour} +
                                                 std::chrono::minutes{time.minute} +
                                                 std::chrono::seconds{time.second} + time.fraction};
}

std::optional<ReplayTime> parse_absolute(std::string_view text) {
  Scanner in(text);
  std::tm date{};
  date.tm_year = in.number(4, 1970, 2200) - 1900;
  in.require('-');
  date.tm_mon = in.number(2, 1, 12) - 1;
  in.require('-');
  date.tm_mday = in.number(2, 1, 31);
  if (!in.take('T')) in.require(' ');
  const ClockTime time = take_clock_time(in);
  const auto zone = take_zone(in);
  if (!in.ok() || !in.at_end()) return std::nullopt;
  const int day = date.tm_mday;
  date.tm_hour = time.hour;
  date.tm_min = time.minute;
  date.tm_sec = time.second;
  date.tm_isdst = -1;
  const std::time_t at = zone ? ::timegm(&date) : std::mktime(&date);
  if (date.tm_mday != day && time.second != 60) return std::nullopt;  // 31 November
  return ReplayTime{ReplayTime::Kind::Absolute, std::chrono::seconds{at} + time.fraction -
                                                    zone.value_or(std::chrono::minutes{0})};
}

// A recording that began at 03:12:17 has nothing of 03:12 but what followed: its beginning is
// meant.
constexpr Nanos kBefore = std::chrono::minutes{1};

// The first moment with this local time that is not before `begin`, or less than a minute.
Nanos first_of_day(Nanos of_day, Nanos begin) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(of_day);
  const std::time_t start = std::chrono::duration_cast<std::chrono::seconds>(begin).count();
  std::tm today{};
  ::localtime_r(&start, &today);
  for (int days = 0;; ++days) {
    std::tm then = today;
    then.tm_mday += days;
    then.tm_hour = static_cast<int>(seconds.count() / 3600);
    then.tm_min = static_cast<int>(seconds.count() / 60 % 60);
    then.tm_sec = static_cast<int>(seconds.count() % 60);
    then.tm_isdst = -1;
    const Nanos at = std::chrono::seconds{std::mktime(&then)} + (of_day - seconds);
    if (at > begin - kBefore || days == 2) return at;
  }
}

}  // namespace

std::optional<ReplayTime> parse_replay_time(std::string_view text) {
  if (text.starts_with('+')) {
    const auto offset = parse_duration(text.substr(1));
    // The sum with the beginning must not overflow.
    if (!offset || *offset > std::chrono::hours{24 * 365 * 100}) return std::nullopt;
    return ReplayTime{ReplayTime::Kind::Offset, *offset};
  }
  return text.find('-') == std::string_view::npos ? parse_of_day(text) : parse_absolute(text);
}

ReplayMoment::ReplayMoment(const ReplayTime& time, const When& begin)
    : by_wall_clock_(time.kind != ReplayTime::Kind::Offset) {
  switch (time.kind) {
    case ReplayTime::Kind::Offset: at_ = begin.mono + time.value; break;
    case ReplayTime::Kind::OfDay: at_ = first_of_day(time.value, begin.unix_time); break;
    case ReplayTime::Kind::Absolute: at_ = time.value; break;
  }
}

}  // namespace tcpdwell
