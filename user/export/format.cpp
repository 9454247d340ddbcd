// SPDX-License-Identifier: Apache-2.0
#include "export/format.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "export/write_protobuf.h"
#include "export/write_text.h"

namespace tcpdwell::exporter {
namespace {

// The part of `text` before `separator`, without spaces; `text` keeps what follows.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t at = std::min(text.find(separator), text.size());
  std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!part.empty() && is_space(part.front())) part.remove_prefix(1);
  while (!part.empty() && is_space(part.back())) part.remove_suffix(1);
  return part;
}

bool equal(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

// "0.75" in thousandths. Anything else than a quality counts as 0.
int quality_of(std::string_view text) {
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return 0;
  int value = text[0] - '0', digits = 0;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9' || digits == 3) return 0;
    value = 10 * value + (c - '0');
    ++digits;
  }
  for (; digits < 3; ++digits) value *= 10;
  return value;
}

struct Range {
  std::string_view type, proto, encoding, version;
  int quality = 1000;
};

Range range_of(std::string_view text) {
  Range range{.type = take(text, ';')};
  while (!text.empty()) {
    std::string_view value = take(text, ';');
    const std::string_view name = take(value, '=');
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (equal(name, "proto"))
      range.proto = value;
    else if (equal(name, "encoding"))
      range.encoding = value;
    else if (equal(name, "version"))
      range.version = value;
    else if (equal(name, "q"))
      range.quality = quality_of(value);
  }
  return range;
}

std::optional<Format> format_of(const Range& range) {
  if (equal(range.type, "application/vnd.google.protobuf"))
    return range.proto == "io.prometheus.client.MetricFamily" && range.encoding == "delimited"
               ? std::optional(Format::Protobuf)
               : std::nullopt;
  if (equal(range.type, "application/openmetrics-text"))
    return range.version.empty() || range.version == "1.0.0" ? std::optional(Format::OpenMetrics)
                                                             : std::nullopt;
  if (equal(range.type, "text/plain") || equal(range.type, "text/*") || equal(range.type, "*/*"))
    return Format::Text;
  return std::nullopt;
}

}  // namespace

std::string_view content_type(Format format) {
  switch (format) {
    case Format::Text: break;
    case Format::OpenMetrics: return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case Format::Protobuf:
      return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
             "encoding=delimited";
  }
  return "text/plain; version=0.0.4; charset=utf-8";
}

Format chosen_format(std::string_view accept) {
  Format chosen = Format::Text;
  int best = 0;
  while (!accept.empty()) {
    const Range range = range_of(take(accept, ','));
    const auto format = format_of(range);
    if (!format || range.quality <= best) continue;
    best = range.quality;
    chosen = *format;
  }
  return chosen;
}

std::string written(Format format, std::span<const Page* const> pages) {
  std::string out;
  for (const Page* page : pages) switch (format) {
      case Format::Text: write_prometheus(out, *page); break;
      case Format::OpenMetrics: write_openmetrics(out, *page); break;
      case Format::Protobuf: write_protobuf(out, *page); break;
    }
  if (format == Format::OpenMetrics) out += kOpenMetricsEnd;
  return out;
}

}  // namespace tcpdwell::exporter
