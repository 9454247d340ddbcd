// SPDX-License-Identifier: Apache-2.0
#include "stats/port_forecast.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;

constexpr Nanos kSpacing = 4500ms;    // at least, between samples that are kept
constexpr Nanos kShortest = 5s;       // minimum span for a rate
constexpr Nanos kShortestHeld = 20s;  // minimum span for a growth
constexpr Nanos kMinute = 60s;
constexpr std::size_t kRecent = 10;  // seconds
constexpr std::size_t kLast = 3;
constexpr double kLongest = 100.0 * 365 * 86'400;
constexpr int kSteps = static_cast<int>(PortSample::kAges);
constexpr std::array<std::size_t, 5> kWindows{5, 10, 20, 40, 60};

double seconds(Nanos time) { return Seconds(time).count(); }

// New TIME_WAITs a second. `low` and `high`: the extremes of all windows of the last minute.
struct Rates {
  double low = 0, about = 0, high = 0;
  // True if the rate varied little, so that the next minute can be expected to be like the last.
  bool is_even() const { return high - low <= about / 2; }
};

std::uint32_t younger_than(const PortSample& sample, std::size_t age) {
  return std::accumulate(sample.ages.begin(),
                         sample.ages.begin() + static_cast<std::ptrdiff_t>(age), std::uint32_t{0});
}

// nullopt: the oldest TIME_WAIT is too young for a rate.
std::optional<Rates> rates_of(const PortSample& sample) {
  if (sample.lasting == 0) return Rates{};
  if (sample.oldest < kShortest) return std::nullopt;
  const double all_of = std::min(seconds(sample.oldest), seconds(kMinute));
  const double all = younger_than(sample, 60) / all_of;
  const double recent_of = std::min(all_of, static_cast<double>(kRecent));
  const double recent = younger_than(sample, kRecent);
  const double expected = all * recent_of;
  // If the rate has changed, ignore what was before.
  const bool changed = std::abs(recent - expected) > 2 * std::sqrt(expected) + 1;
  Rates rates{.about = changed ? recent / recent_of : all};
  rates.low = rates.high = rates.about;
  for (const std::size_t window : kWindows) {
    if (static_cast<double>(window) > all_of || (changed && window > kRecent)) break;
    const double count = younger_than(sample, window), of = static_cast<double>(window);
    rates.low = std::min(rates.low, std::max(count - 1, 0.0) / of);
    // TIME_WAITs of a whole minute add up, so a short peak does not matter.
    if (window >= kRecent || all_of < kRecent) rates.high = std::max(rates.high, (count + 1) / of);
  }
  // If hardly any began in the last seconds, the traffic may have stopped.
  const double last = younger_than(sample, kLast), of = static_cast<double>(kLast);
  if (last + 1 < rates.about * of / 2) rates.low = std::min(rates.low, last / of);
  return rates;
}

struct Course {
  double held = 0, brief = 0;
  double growth = 0;  // of `held`, a second
  double rate = 0;    // new TIME_WAITs a second
  double length = 0;  // of TIME_WAIT, in seconds
};

// Element n: how many TIME_WAITs are younger than n seconds.
using Younger = std::array<std::uint32_t, PortSample::kAges + 1>;

Younger younger(const PortSample& sample) {
  Younger counts{};
  for (std::size_t age = 0; age < sample.ages.size(); ++age)
    counts[age + 1] = counts[age] + sample.ages[age];
  return counts;
}

double used_after(const Younger& counts, const Course& course, int second) {
  const double left = std::ceil(std::max(course.length - second, 0.0));
  const auto there = std::min(static_cast<std::size_t>(left), PortSample::kAges);
  return course.held + course.growth * second + course.brief + counts[there] +
         course.rate * std::min<double>(second, course.length);
}

// The seconds until all ports are in use; nullopt: never, or not within kLongest.
std::optional<double> runs_out(const PortSample& sample, const Course& course) {
  // Fast path for the many destinations that stay below the capacity.
  const double most = course.held + course.brief + sample.lasting + course.rate * course.length;
  if (course.growth <= 0 && most < sample.capacity) return std::nullopt;
  const Younger counts = younger(sample);
  double before = used_after(counts, course, 0);
  for (int second = 1; second <= kSteps; ++second) {
    const double used = used_after(counts, course, second);
    if (used >= sample.capacity)
      return second - 1 + std::clamp((sample.capacity - before) / (used - before), 0.0, 1.0);
    before = used;
  }
  if (course.growth <= 0) return std::nullopt;
  const double left = kSteps + (sample.capacity - before) / course.growth;
  return left < kLongest ? std::optional(left) : std::nullopt;
}

Nanos nanos(double seconds) { return Nanos{static_cast<std::int64_t>(seconds * 1e9)}; }

// One course for each of the rates.
struct Courses {
  Course low, about, high;
};

Courses courses_of(const PortSample& sample, const PortHistory& history, const Rates& rates,
                   const TimeWaitLength& length) {
  const auto held = history.held(sample), brief = history.brief(sample);
  const double min = seconds(length.min), max = seconds(length.max);
  return {.low = {.held = static_cast<double>(held.low),
                  .brief = static_cast<double>(brief.low),
                  .rate = rates.low,
                  .length = min},
          .about = {.held = static_cast<double>(sample.held),
                    .brief = static_cast<double>(sample.brief),
                    .rate = rates.about,
                    .length = (min + max) / 2},
          .high = {.held = static_cast<double>(held.high),
                   .brief = static_cast<double>(brief.high),
                   .rate = rates.high,
                   .length = max}};
}

std::uint32_t level_of(const Course& course) {
  return static_cast<std::uint32_t>(
      std::lround(course.held + course.brief + course.rate * course.length));
}

PortForecast ends(std::optional<double> at, double rate, bool if_held) {
  return {.outlook = Outlook::RunsOut,
          .runs_out_in = nanos(at.value_or(0)),
          .if_held = if_held,
          .per_second = rate};
}

// The forecast if the number of held ports stays about the same.
PortForecast steady(const PortSample& sample, const Courses& courses, const Rates& rates) {
  const bool may_be_reused = !sample.reuse_known;
  PortForecast result{.level = level_of(courses.about), .per_second = rates.about};
  const auto about = runs_out(sample, courses.about);
  const auto latest = runs_out(sample, courses.low), earliest = runs_out(sample, courses.high);
  if (latest && about) {
    if (may_be_reused) return {};
    result = ends(about, rates.about, false);
    result.latest = nanos(*latest);
    if (earliest) result.earliest = nanos(*earliest);
    return result;
  }
  const bool may_run_out = earliest.has_value();
  if (may_run_out && (!rates.is_even() || may_be_reused)) return {};
  result.outlook = about ? Outlook::NearLimit : Outlook::LevelsOff;
  result.peaks = !about && may_run_out;
  return result;
}

}  // namespace

std::string_view name(Outlook outlook) {
  switch (outlook) {
    case Outlook::Unknown: return "unknown";
    case Outlook::LevelsOff: return "levels_off";
    case Outlook::NearLimit: return "near_limit";
    case Outlook::Grows: return "grows";
    case Outlook::RunsOut: return "runs_out";
    case Outlook::Full: return "full";
  }
  return "unknown";
}

void PortSample::add_lasting(Nanos age) {
  age = std::max(age, Nanos{0});
  ++lasting;
  ++ages[std::min<std::size_t>(static_cast<std::size_t>(age / 1s), kAges - 1)];
  oldest = std::max(oldest, age);
}

void PortHistory::add(const PortSample& sample) {
  if (!samples_.empty() && sample.at - samples_.back().at < kSpacing) return;
  samples_.push_back({sample.at, sample.held, sample.brief});
  thin_out();
}

// Keeps the kNearest newest samples. Of the older ones, erases a sample if its two neighbours are
// closer together than a quarter of the time that has passed since.
void PortHistory::thin_out() {
  constexpr std::size_t kNearest = 8;
  if (samples_.size() <= kNearest) return;
  const Nanos now = samples_.back().at;
  for (std::size_t i = samples_.size() - kNearest; i-- > 1;)
    if (samples_[i + 1].at - samples_[i - 1].at < (now - samples_[i + 1].at) / 4)
      samples_.erase(samples_.begin() + static_cast<std::ptrdiff_t>(i));
}

std::vector<PortHistory::Sample> PortHistory::series(const PortSample& sample) const {
  auto all = samples_;
  if (all.empty() || all.back().at < sample.at)
    all.push_back({sample.at, sample.held, sample.brief});
  return all;
}

PortHistory::Bounds PortHistory::held(const PortSample& sample) const {
  Bounds bounds{sample.held, sample.held};
  for (const Sample& kept : samples_)
    if (sample.at - kept.at <= kMinute)
      bounds = {std::min(bounds.low, kept.held), std::max(bounds.high, kept.held)};
  return bounds;
}

PortHistory::Bounds PortHistory::brief(const PortSample& sample) const {
  Bounds bounds{sample.brief, sample.brief};
  for (const Sample& kept : samples_)
    if (sample.at - kept.at <= kMinute)
      bounds = {std::min(bounds.low, kept.brief), std::max(bounds.high, kept.brief)};
  return bounds;
}

Nanos PortHistory::span(const PortSample& sample) const {
  return samples_.empty() ? Nanos{0} : sample.at - samples_.front().at;
}

// The longest span whose second half grew about as fast as the first. Dips within the random
// variation (one square root) are ignored.
std::optional<PortHistory::Growth> PortHistory::growth(const PortSample& sample) const {
  const auto all = series(sample);
  const Sample& last = all.back();
  std::size_t first = all.size() - 1;
  while (first > 0 && all[first - 1].held <= all[first].held + std::sqrt(all[first].held)) --first;
  for (; first + 3 <= all.size(); ++first) {
    const Sample& begin = all[first];
    const Nanos span = last.at - begin.at;
    if (span < kShortestHeld) return std::nullopt;
    const double more = static_cast<double>(last.held) - begin.held;
    if (more < std::max(4.0, 3 * std::sqrt(begin.held))) continue;
    const auto middle = std::find_if(
        all.begin() + static_cast<std::ptrdiff_t>(first), all.end() - 1,
        [&](const Sample& kept) { return kept.at >= begin.at + span / 2 - kSpacing / 2; });
    if (middle->at == begin.at || middle->at == last.at) continue;
    const double whole = more / seconds(span);
    const double half =
        (static_cast<double>(last.held) - middle->held) / seconds(last.at - middle->at);
    if (half >= whole / 2 && half <= whole * 1.5) return Growth{half, span};
  }
  return std::nullopt;
}

PortForecast forecast(const PortSample& sample, const PortHistory& history,
                      const TimeWaitLength& length) {
  const bool may_be_reused = !sample.reuse_known && sample.held < sample.capacity;
  if (sample.used() >= sample.capacity && !may_be_reused)
    return {.outlook = Outlook::Full, .runs_out_in = Nanos{0}};
  const auto rates = rates_of(sample);
  if (!rates) return {};
  Courses courses = courses_of(sample, history, *rates, length);
  if (const auto growth = history.growth(sample)) {
    if (runs_out(sample, courses.low)) return steady(sample, courses, *rates);
    courses.about.growth = growth->per_second;
    const auto at = runs_out(sample, courses.about);
    // Do not extrapolate further than the growth has lasted.
    if (at && nanos(*at) <= growth->span) return ends(at, growth->per_second, true);
    return {.outlook = Outlook::Grows, .per_second = growth->per_second};
  }
  // Too early to know whether the held ones are ever closed.
  constexpr std::uint32_t kMany = 10;
  if (history.span(sample) < kShortestHeld && sample.held * kMany > sample.capacity) return {};
  return steady(sample, courses, *rates);
}

}  // namespace tcpdwell
