// SPDX-License-Identifier: Apache-2.0
// What a scrape returns, before it is written in one of the formats: families of samples, as of one
// time. Never changed once it is made, so threads share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "export/dwell_histogram.h"

namespace tcpdwell::exporter {

enum class Kind : std::uint8_t { Counter, Gauge, Classic, Native };

// A name and a value. Values are UTF-8 without control characters: see clean_label().
using Labels = std::vector<std::pair<std::string_view, std::string>>;

struct Sample {
  Labels labels;
  double value = 0;                                 // of a counter or a gauge
  std::shared_ptr<const DwellHistogram> histogram;  // of the other kinds
};

struct MetricFamily {
  std::string_view name;  // with the suffix _total if it is a counter
  Kind kind = Kind::Gauge;
  std::string_view unit;  // "seconds", "bytes" or empty; the name ends with it
  std::string_view help;
  std::vector<Sample> samples;
};

struct Page {
  std::vector<MetricFamily> families;
};

// How many series Prometheus makes of a sample.
constexpr std::size_t series_of(Kind kind) {
  return kind == Kind::Classic ? DwellHistogram::kClassicBounds + 3 : 1;
}

// Adds families and samples up to a limit of series. What does not fit is counted, and left out.
// Begin with what matters most.
class PageBuilder {
 public:
  explicit PageBuilder(std::size_t most_series) : most_(most_series) {}

  void family(std::string_view name, Kind kind, std::string_view unit, std::string_view help) {
    page_.families.push_back({name, kind, unit, help, {}});
  }
  // Adds to the last family.
  void add(Labels labels, double value) { add({std::move(labels), value, nullptr}); }
  void add(Labels labels, std::shared_ptr<const DwellHistogram> histogram) {
    add({std::move(labels), 0, std::move(histogram)});
  }
  std::size_t dropped() const { return dropped_; }  // series
  Page take() { return std::move(page_); }

 private:
  void add(Sample sample) {
    MetricFamily& family = page_.families.back();
    const std::size_t series = series_of(family.kind);
    if (used_ + series > most_) {
      dropped_ += series;
      return;
    }
    used_ += series;
    family.samples.push_back(std::move(sample));
  }

  std::size_t most_, used_ = 0, dropped_ = 0;
  Page page_;
};

// The value of a label from untrusted bytes, of which it shows at most 128: UTF-8, without what
// disturbs a terminal.
std::string clean_label(std::string_view bytes);

}  // namespace tcpdwell::exporter
