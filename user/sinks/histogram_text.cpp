// SPDX-License-Identifier: Apache-2.0
#include "sinks/histogram_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "sinks/text_table.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kBar = 50;        // characters of the longest
constexpr std::int64_t kRanges = 24;    // of equal steps, at the most
constexpr std::int64_t kFinest = 1000;  // what a duration is written to
constexpr std::int64_t kHighest = std::int64_t{1} << 62U;

// 1, 2, 5, 10, 20 ...
std::int64_t round_step(std::int64_t at_least) {
  std::int64_t ten = 1;
  while (ten <= at_least / 10) ten *= 10;
  for (const std::int64_t factor : {1, 2, 5})
    if (ten * factor >= at_least) return ten * factor;
  return ten * 10;
}

std::vector<std::int64_t> equal_steps(std::int64_t low, std::int64_t high) {
  // No narrower than a bucket of the histogram: they would be empty by turns.
  const std::int64_t bucket = high / (Histogram::kResolution / 2);
  const std::int64_t step = round_step(std::max({(high - low) / kRanges + 1, bucket, kFinest}));
  std::vector<std::int64_t> edges = {low / step * step};
  while (edges.back() <= high) edges.push_back(edges.back() + step);
  return edges;
}

// 1, 2, 5 of every power of ten.
std::vector<std::int64_t> equal_factors(std::int64_t low, std::int64_t high) {
  std::vector<std::int64_t> edges = {0};
  for (std::int64_t ten = kFinest; edges.back() <= high; ten *= 10)
    for (const std::int64_t factor : {1, 2, 5}) {
      if (ten * factor <= low) edges.clear();
      if (edges.empty() || edges.back() <= high) edges.push_back(ten * factor);
    }
  return edges;
}

}  // namespace

std::string draw_histogram(const Histogram& histogram) {
  if (histogram.count() == 0) return {};
  const std::int64_t low = histogram.min().count();
  const std::int64_t high = std::min(histogram.max().count(), kHighest);
  const auto edges = high / 2 <= low ? equal_steps(low, high) : equal_factors(low, high);
  std::vector<std::uint64_t> counts;
  for (std::size_t i = 0; i + 1 < edges.size(); ++i)
    counts.push_back(histogram.between(Nanos{edges[i]}, Nanos{edges[i + 1]}));
  const std::uint64_t most = *std::max_element(counts.begin(), counts.end());
  TextTable table({{"", true}, {"", false}, {"", true}, {"", true}, {"", false}});
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double share = static_cast<double>(counts[i]) / static_cast<double>(histogram.count());
    const double part = static_cast<double>(counts[i]) / static_cast<double>(most);
    const auto length = static_cast<std::size_t>(std::ceil(part * kBar));
    table.add({format_duration(Nanos{edges[i]}), "to " + format_duration(Nanos{edges[i + 1]}),
               std::to_string(counts[i]), fmt::format("{:.1f}%", 100 * share),
               std::string(length, '#')});
  }
  return table.text(false, false);
}

}  // namespace tcpdwell
