// SPDX-License-Identifier: Apache-2.0
#include "util/duration.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace tcpdwell {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanos;
};
// In descending order.
constexpr Unit kUnits[] = {{"d", 86'400'000'000'000},
                           {"h", 3'600'000'000'000},
                           {"m", 60'000'000'000},
                           {"s", 1'000'000'000},
                           {"ms", 1'000'000},
                           {"us", 1'000},
                           {"ns", 1}};

const Unit* unit_of(std::string_view text) {
  for (const Unit& unit : kUnits)
    if (unit.name == text) return &unit;
  return nullptr;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  std::int64_t smallest = INT64_MAX;
  bool bare = false;
  while (!text.empty()) {
    std::int64_t count = 0;
    if (text[0] < '0' || text[0] > '9' || bare) return std::nullopt;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
    if (parsed.ec != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
    const std::string_view name = text.substr(0, text.find_first_of("0123456789"));
    bare = name.empty() && smallest == INT64_MAX;
    const Unit* unit = bare ? unit_of("s") : unit_of(name);
    if (!unit || unit->nanos >= smallest) return std::nullopt;
    text.remove_prefix(name.size());
    smallest = unit->nanos;
    std::int64_t nanos = 0;
    if (__builtin_mul_overflow(count, unit->nanos, &nanos) ||
        __builtin_add_overflow(total, nanos, &total))
      return std::nullopt;
  }
  return std::chrono::nanoseconds{total};
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const std::int64_t micros = duration.count() / 1000, millis = micros / 1000;
  const std::int64_t whole = millis / 1000;
  if (micros < 1000) return fmt::format("{}us", micros);
  if (millis < 10) return fmt::format("{}.{:02}ms", millis, micros / 10 % 100);
  if (millis < 100) return fmt::format("{}.{}ms", millis, micros / 100 % 10);
  if (whole < 1) return fmt::format("{}ms", millis);
  if (whole < 100) return fmt::format("{}.{:03}s", whole, millis % 1000);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

}  // namespace tcpdwell
