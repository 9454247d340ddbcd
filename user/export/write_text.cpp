// SPDX-License-Identifier: Apache-2.0
#include "export/write_text.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace tcpdwell::exporter {
namespace {

constexpr std::string_view kTotal = "_total";

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
}

// Shortest text that gives the same number; whole numbers without a fraction.
void append_number(std::string& out, double value) {
  const bool whole = std::trunc(value) == value && std::abs(value) < 0x1p53;
  if (whole)
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
  else
    fmt::format_to(std::back_inserter(out), "{}", value);
}

// The labels of a sample and one more, unless its name is empty.
void append_labels(std::string& out, const Labels& labels, std::string_view name,
                   std::string_view value) {
  if (labels.empty() && name.empty()) return;
  char before = '{';
  const auto append = [&](std::string_view label, std::string_view text) {
    out += before;
    out += label;
    out += "=\"";
    append_escaped(out, text, true);
    out += '"';
    before = ',';
  };
  for (const auto& [label, text] : labels) append(label, text);
  if (!name.empty()) append(name, value);
  out += '}';
}

void append_line(std::string& out, std::string_view name, std::string_view suffix,
                 const Labels& labels, double value) {
  out.append(name).append(suffix);
  append_labels(out, labels, {}, {});
  out += ' ';
  append_number(out, value);
  out += '\n';
}

void append_bucket(std::string& out, std::string_view name, const Labels& labels,
                   std::string_view bound, std::uint64_t count) {
  out.append(name).append("_bucket");
  append_labels(out, labels, "le", bound);
  fmt::format_to(std::back_inserter(out), " {}\n", count);
}

// Always with a point or an exponent: OpenMetrics requires it, and a bound must look the same in
// both formats.
std::string bound_text(double bound) {
  std::string text = fmt::format("{}", bound);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void append_classic(std::string& out, const MetricFamily& family, const Sample& sample) {
  const DwellHistogram& histogram = *sample.histogram;
  double bound = std::exp2(2 * DwellHistogram::kLeastPower);
  for (const std::uint64_t count : histogram.classic()) {
    append_bucket(out, family.name, sample.labels, bound_text(bound), count);
    bound *= 4;
  }
  append_bucket(out, family.name, sample.labels, "+Inf", histogram.count());
  append_line(out, family.name, "_sum", sample.labels, histogram.seconds());
  append_line(out, family.name, "_count", sample.labels, static_cast<double>(histogram.count()));
}

std::string_view type_of(Kind kind) {
  switch (kind) {
    case Kind::Counter: return "counter";
    case Kind::Gauge: return "gauge";
    case Kind::Classic:
    case Kind::Native: break;
  }
  return "histogram";
}

void append_samples(std::string& out, const MetricFamily& family) {
  for (const Sample& sample : family.samples)
    if (family.kind == Kind::Classic)
      append_classic(out, family, sample);
    else
      append_line(out, family.name, "", sample.labels, sample.value);
}

void append_comment(std::string& out, std::string_view word, std::string_view name,
                    std::string_view text, bool quotes) {
  out.append("# ").append(word).append(" ").append(name).append(" ");
  append_escaped(out, text, quotes);
  out += '\n';
}

}  // namespace

void write_prometheus(std::string& out, const Page& page) {
  for (const MetricFamily& family : page.families) {
    if (family.kind == Kind::Native) continue;
    append_comment(out, "HELP", family.name, family.help, false);
    append_comment(out, "TYPE", family.name, type_of(family.kind), false);
    append_samples(out, family);
  }
}

// The name of a counter's family lacks the suffix of its sample.
void write_openmetrics(std::string& out, const Page& page) {
  for (const MetricFamily& family : page.families) {
    if (family.kind == Kind::Native) continue;
    std::string_view name = family.name;
    if (family.kind == Kind::Counter && name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
    append_comment(out, "TYPE", name, type_of(family.kind), true);
    if (!family.unit.empty()) append_comment(out, "UNIT", name, family.unit, true);
    append_comment(out, "HELP", name, family.help, true);
    append_samples(out, family);
  }
}

}  // namespace tcpdwell::exporter
