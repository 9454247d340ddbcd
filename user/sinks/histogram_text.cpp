// SPDX-License-Identifier: Apache-2.0
#include "sinks/histogram_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "sinks/text_table.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kBar = 50;        // length of the longest bar
constexpr std::size_t kRanges = 24;     // limit for equal steps
constexpr std::int64_t kFinest = 1000;  // ns; the precision of printed durations
constexpr std::int64_t kHighest = std::int64_t{1} << 62U;
constexpr std::int64_t kNoEnd = std::numeric_limits<std::int64_t>::max();

// Merges buckets of the histogram: within a factor of two, round steps would split buckets.
std::vector<std::int64_t> equal_steps(Nanos low, Nanos high) {
  std::vector<std::int64_t> bounds = {Histogram::begin_of(low).count()};
  for (Nanos at = low; at <= high && bounds.back() < kHighest; at = Nanos{bounds.back()})
    bounds.push_back(Histogram::end_of(at).count());
  const std::size_t together = (bounds.size() - 2) / kRanges + 1;
  std::vector<std::int64_t> edges;
  for (std::size_t i = 0; i < bounds.size(); i += together)
    if (edges.empty() || bounds[i] - edges.back() >= kFinest) edges.push_back(bounds[i]);
  if (edges.back() != bounds.back()) edges.push_back(bounds.back());
  return edges;
}

// 1, 2, 5 of every power of ten.
std::vector<std::int64_t> equal_factors(std::int64_t low, std::int64_t high) {
  std::vector<std::int64_t> edges = {0};
  for (std::int64_t ten = kFinest; edges.back() <= high && edges.back() < kHighest;
       ten = ten <= kHighest / 10 ? ten * 10 : ten)
    for (const std::int64_t factor : {1, 2, 5}) {
      if (ten * factor <= low) edges.clear();
      if (edges.empty() || edges.back() <= high) edges.push_back(ten * factor);
    }
  return edges;
}

}  // namespace

std::string draw_histogram(const Histogram& histogram) {
  if (histogram.count() == 0) return {};
  const Nanos least = histogram.min(), most = histogram.max();
  const Nanos low = histogram.percentile(0.005), high = histogram.percentile(0.995);
  std::vector<std::int64_t> edges =
      high / 2 <= low ? equal_steps(low, high) : equal_factors(least.count(), most.count());
  if (least.count() < edges.front()) edges.insert(edges.begin(), 0);
  if (most.count() >= edges.back()) edges.push_back(kNoEnd);
  std::vector<std::uint64_t> counts;
  for (std::size_t i = 0; i + 1 < edges.size(); ++i)
    counts.push_back(histogram.between(Nanos{edges[i]}, Nanos{edges[i + 1]}));
  const std::uint64_t longest = *std::max_element(counts.begin(), counts.end());
  TextTable table({{"", true}, {"", false}, {"", true}, {"", true}, {"", false}});
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double share = static_cast<double>(counts[i]) / static_cast<double>(histogram.count());
    const double part = static_cast<double>(counts[i]) / static_cast<double>(longest);
    const auto length = static_cast<std::size_t>(std::ceil(part * kBar));
    const bool last = edges[i + 1] == kNoEnd;
    table.add({format_duration(Nanos{edges[i]}),
               last ? "or more" : "to " + format_duration(Nanos{edges[i + 1]}),
               std::to_string(counts[i]), fmt::format("{:.1f}%", 100 * share),
               std::string(length, '#')});
  }
  return table.text(false, false);
}

}  // namespace tcpdwell
