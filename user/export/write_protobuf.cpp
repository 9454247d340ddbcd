// SPDX-License-Identifier: Apache-2.0
// Field numbers are those of metrics.proto of github.com/prometheus/client_model.
#include "export/write_protobuf.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>

namespace tcpdwell::exporter {
namespace {

using protozero::pbf_writer;

namespace family_field {
constexpr protozero::pbf_tag_type kName = 1, kHelp = 2, kType = 3, kMetric = 4;
}
namespace metric_field {
constexpr protozero::pbf_tag_type kLabel = 1, kGauge = 2, kCounter = 3, kHistogram = 7;
}
namespace histogram_field {
constexpr protozero::pbf_tag_type kCount = 1, kSum = 2, kBucket = 3, kSchema = 5,
                                  kZeroThreshold = 6, kZeroCount = 7, kPositiveSpan = 12,
                                  kPositiveDelta = 13;
}

std::int32_t type_number(Kind kind) {
  switch (kind) {
    case Kind::Counter: return 0;
    case Kind::Gauge: return 1;
    case Kind::Classic:
    case Kind::Native: break;
  }
  return 4;
}

void write_labels(pbf_writer& metric, const Labels& labels) {
  for (const auto& [name, value] : labels) {
    pbf_writer label(metric, metric_field::kLabel);
    label.add_string(1, name.data(), name.size());
    label.add_string(2, value);
  }
}

void write_bucket(pbf_writer& histogram, double bound, std::uint64_t count) {
  pbf_writer bucket(histogram, histogram_field::kBucket);
  bucket.add_uint64(1, count);
  bucket.add_double(2, bound);
}

void write_classic(pbf_writer& histogram, const DwellHistogram& dwells) {
  double bound = std::exp2(2 * DwellHistogram::kLeastPower);
  for (const std::uint64_t count : dwells.classic()) {
    write_bucket(histogram, bound, count);
    bound *= 4;
  }
  write_bucket(histogram, std::numeric_limits<double>::infinity(), dwells.count());
}

void write_span(pbf_writer& histogram, int offset, std::uint32_t length) {
  pbf_writer span(histogram, histogram_field::kPositiveSpan);
  span.add_sint32(1, offset);
  span.add_uint32(2, length);
}

// Runs of adjacent buckets, and the difference of each count from the one before. Without any span
// Prometheus takes an empty histogram for a classic one.
void write_native(pbf_writer& histogram, const DwellHistogram& dwells) {
  histogram.add_sint32(histogram_field::kSchema, DwellHistogram::kSchema);
  histogram.add_double(histogram_field::kZeroThreshold, DwellHistogram::kZeroThreshold);
  histogram.add_uint64(histogram_field::kZeroCount, dwells.zeros());
  const auto buckets = dwells.buckets();
  if (buckets.empty()) write_span(histogram, 0, 0);
  int end = 0;  // of the last run
  for (std::size_t i = 0; i < buckets.size();) {
    std::size_t next = i + 1;
    while (next < buckets.size() && buckets[next].first == buckets[next - 1].first + 1) ++next;
    write_span(histogram, buckets[i].first - end, static_cast<std::uint32_t>(next - i));
    end = buckets[next - 1].first + 1;
    i = next;
  }
  std::vector<std::int64_t> deltas;
  std::int64_t before = 0;
  for (const auto& [bucket, count] : buckets) {
    deltas.push_back(static_cast<std::int64_t>(count) - before);
    before = static_cast<std::int64_t>(count);
  }
  histogram.add_packed_sint64(histogram_field::kPositiveDelta, deltas.begin(), deltas.end());
}

void write_value(pbf_writer& metric, Kind kind, const Sample& sample) {
  if (kind == Kind::Gauge || kind == Kind::Counter) {
    pbf_writer value(metric, kind == Kind::Gauge ? metric_field::kGauge : metric_field::kCounter);
    value.add_double(1, sample.value);
    return;
  }
  pbf_writer histogram(metric, metric_field::kHistogram);
  histogram.add_uint64(histogram_field::kCount, sample.histogram->count());
  histogram.add_double(histogram_field::kSum, sample.histogram->seconds());
  if (kind == Kind::Classic)
    write_classic(histogram, *sample.histogram);
  else
    write_native(histogram, *sample.histogram);
}

}  // namespace

void write_protobuf(std::string& out, const Page& page) {
  std::string bytes;
  for (const MetricFamily& family : page.families) {
    if (family.samples.empty()) continue;
    bytes.clear();
    pbf_writer message(bytes);
    message.add_string(family_field::kName, family.name.data(), family.name.size());
    message.add_string(family_field::kHelp, family.help.data(), family.help.size());
    message.add_enum(family_field::kType, type_number(family.kind));
    for (const Sample& sample : family.samples) {
      pbf_writer metric(message, family_field::kMetric);
      write_labels(metric, sample.labels);
      write_value(metric, family.kind, sample);
    }
    protozero::write_varint(std::back_inserter(out), bytes.size());
    out += bytes;
  }
}

}  // namespace tcpdwell::exporter
