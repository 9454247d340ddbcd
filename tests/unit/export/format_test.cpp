// SPDX-License-Identifier: Apache-2.0
// The choice of a format, and what each of them writes.
#include "export/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <protozero/pbf_reader.hpp>

namespace tcpdwell::exporter {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

constexpr std::string_view kProtobuf =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

TEST(ChosenFormat, FollowsQuality) {
  EXPECT_EQ(chosen_format(""), Format::Text);
  EXPECT_EQ(chosen_format("*/*"), Format::Text);
  EXPECT_EQ(chosen_format("text/html, image/png"), Format::Text);
  EXPECT_EQ(chosen_format("application/openmetrics-text; version=1.0.0"), Format::OpenMetrics);
  EXPECT_EQ(chosen_format("text/plain;q=0.5, application/openmetrics-text;q=0.75"),
            Format::OpenMetrics);
  EXPECT_EQ(chosen_format("text/plain;q=0.9, application/openmetrics-text;q=0.75"), Format::Text);
  EXPECT_EQ(chosen_format(std::string(kProtobuf) + ";q=0.8,text/plain;q=0.5"), Format::Protobuf);
  EXPECT_EQ(chosen_format(std::string(kProtobuf) + ";q=0.3,text/plain;q=0.5"), Format::Text);
  EXPECT_EQ(chosen_format("application/openmetrics-text;q=0, text/plain;q=0.1"), Format::Text);
}

TEST(ChosenFormat, WritesProtobufOnlyIfItsEncodingIsNamed) {
  EXPECT_EQ(chosen_format("application/vnd.google.protobuf"), Format::Text);
  EXPECT_EQ(chosen_format("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                          "encoding=text"),
            Format::Text);
  EXPECT_EQ(chosen_format("Application/VND.google.protobuf; Proto=\"io.prometheus.client."
                          "MetricFamily\"; encoding=\"delimited\""),
            Format::Protobuf);
}

TEST(ChosenFormat, SurvivesNonsense) {
  for (const char* text :
       {",", ";;;,,;q=", "q=1", "text/plain;q=9999", "=;=,=", "text/plain;q=0.1234"})
    EXPECT_EQ(chosen_format(text), Format::Text) << text;
}

Page sample_page() {
  PageBuilder page(1000);
  page.family("tcpdwell_events_lost_total", Kind::Counter, "", "Lost.");
  page.add({{"cause", "ring_full"}}, 3);
  page.family("tcpdwell_oldest_stuck_seconds", Kind::Gauge, "seconds", "Age\nof \\ \"it\".");
  page.add({{"flag", "CLOSE_WAIT"}, {"service", "a\"b\\c"}}, 61.25);
  auto dwells = std::make_shared<DwellHistogram>();
  for (const Nanos value : {0ns, Nanos{500ms}, Nanos{500ms}, Nanos{1s}, Nanos{3s}})
    dwells->add(value);
  page.family("tcpdwell_dwell_classic_seconds", Kind::Classic, "seconds", "Dwells.");
  page.add({{"state", "TIME_WAIT"}}, dwells);
  page.family("tcpdwell_dwell_seconds", Kind::Native, "seconds", "Dwells.");
  page.add({{"state", "TIME_WAIT"}}, dwells);
  page.add({{"state", "CLOSING"}}, std::make_shared<DwellHistogram>());
  return page.take();
}

std::string text_in(Format format) {
  const Page page = sample_page();
  const Page* const pages[] = {&page};
  return written(format, pages);
}

TEST(Format, PrometheusText) {
  const std::string text = text_in(Format::Text);
  EXPECT_THAT(text, HasSubstr("# HELP tcpdwell_events_lost_total Lost.\n"
                              "# TYPE tcpdwell_events_lost_total counter\n"
                              "tcpdwell_events_lost_total{cause=\"ring_full\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("Age\\nof \\\\ \"it\".\n"));
  EXPECT_THAT(text, HasSubstr("{flag=\"CLOSE_WAIT\",service=\"a\\\"b\\\\c\"} 61.25\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{state=\"TIME_WAIT\",le=\"0.25\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{state=\"TIME_WAIT\",le=\"1.0\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{state=\"TIME_WAIT\",le=\"4.0\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{state=\"TIME_WAIT\",le=\"+Inf\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("tcpdwell_dwell_classic_seconds_sum{state=\"TIME_WAIT\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("tcpdwell_dwell_classic_seconds_count{state=\"TIME_WAIT\"} 5\n"));
  EXPECT_THAT(text, Not(HasSubstr("tcpdwell_dwell_seconds"))) << "text has no native histograms";
}

TEST(Format, OpenMetrics) {
  const std::string text = text_in(Format::OpenMetrics);
  EXPECT_THAT(text, HasSubstr("# TYPE tcpdwell_events_lost counter\n"
                              "# HELP tcpdwell_events_lost Lost.\n"
                              "tcpdwell_events_lost_total{cause=\"ring_full\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("# UNIT tcpdwell_oldest_stuck_seconds seconds\n"));
  EXPECT_THAT(text, HasSubstr("Age\\nof \\\\ \\\"it\\\".\n"));
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
  EXPECT_EQ(text.find("# EOF"), text.size() - 6) << "once, at the end";
}

// Reads what Prometheus reads: spans of buckets, and the differences of their counts.
struct Native {
  std::uint64_t count = 0, zeros = 0, spans = 0;
  std::int32_t schema = 0;
  double sum = 0, zero_threshold = 0;
  std::vector<std::pair<int, std::int64_t>> buckets;
};

Native read_native(protozero::pbf_reader histogram) {
  Native native;
  std::vector<int> places;
  std::vector<std::int64_t> deltas;
  int place = 0;
  while (histogram.next()) switch (histogram.tag()) {
      case 1: native.count = histogram.get_uint64(); break;
      case 2: native.sum = histogram.get_double(); break;
      case 5: native.schema = histogram.get_sint32(); break;
      case 6: native.zero_threshold = histogram.get_double(); break;
      case 7: native.zeros = histogram.get_uint64(); break;
      case 12: {
        auto span = histogram.get_message();
        std::uint32_t length = 0;
        while (span.next())
          if (span.tag() == 1)
            place += span.get_sint32();
          else
            length = span.get_uint32();
        for (std::uint32_t i = 0; i < length; ++i) places.push_back(place++);
        ++native.spans;
        break;
      }
      case 13:
        for (const std::int64_t delta : histogram.get_packed_sint64()) deltas.push_back(delta);
        break;
      default: ADD_FAILURE() << "field " << histogram.tag(); histogram.skip();
    }
  EXPECT_EQ(places.size(), deltas.size());
  std::int64_t count = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    count += deltas[i];
    native.buckets.emplace_back(places[i], count);
  }
  return native;
}

std::vector<Native> natives_of(std::string_view bytes, const std::string& wanted) {
  std::vector<Native> found;
  const char* at = bytes.data();
  const char* const end = bytes.data() + bytes.size();
  while (at != end) {
    const auto size = protozero::decode_varint(&at, end);
    protozero::pbf_reader family(at, size);
    at += size;
    std::string name;
    while (family.next())
      if (family.tag() == 1) {
        name = family.get_string();
      } else if (family.tag() == 4 && name == wanted) {
        auto metric = family.get_message();
        while (metric.next())
          if (metric.tag() == 7)
            found.push_back(read_native(metric.get_message()));
          else
            metric.skip();
      } else {
        family.skip();
      }
  }
  return found;
}

TEST(Format, NativeHistogram) {
  const auto natives = natives_of(text_in(Format::Protobuf), "tcpdwell_dwell_seconds");
  ASSERT_EQ(natives.size(), 2U);
  const Native& full = natives[0];
  EXPECT_EQ(full.schema, 5);
  EXPECT_EQ(full.zero_threshold, 0x1p-31);
  EXPECT_EQ(full.count, 5U);
  EXPECT_EQ(full.zeros, 1U);
  EXPECT_EQ(full.sum, 5.0);
  // 0.5 s is 2^(-32/32), 1 s is 2^0, 3 s lies in (2^(50/32), 2^(51/32)].
  EXPECT_THAT(full.buckets, ElementsAre(Pair(-32, 2), Pair(0, 1), Pair(51, 1)));
  const Native& empty = natives[1];
  EXPECT_EQ(empty.spans, 1U) << "without a span Prometheus takes it for a classic one";
  EXPECT_TRUE(empty.buckets.empty());
}

TEST(PageBuilder, CountsWhatDoesNotFit) {
  PageBuilder page(25);
  page.family("a", Kind::Gauge, "", "");
  page.add({}, 1);
  page.family("b", Kind::Classic, "", "");
  page.add({}, std::make_shared<DwellHistogram>());
  page.add({}, std::make_shared<DwellHistogram>());
  page.family("c", Kind::Gauge, "", "");
  page.add({}, 1);
  EXPECT_EQ(page.dropped(), series_of(Kind::Classic));
  const Page made = page.take();
  EXPECT_EQ(made.families[1].samples.size(), 1U);
  EXPECT_EQ(made.families[2].samples.size(), 1U) << "what is small still fits";
}

TEST(CleanLabel, IsBoundedAndHarmless) {
  EXPECT_EQ(clean_label("nginx.service"), "nginx.service");
  EXPECT_EQ(clean_label("a\nb\x1b"), "a\\x0ab\\x1b");
  EXPECT_EQ(clean_label("\xff"), "\\xff");
  const std::string umlauts = clean_label([] {
    std::string text = "x";
    for (int i = 0; i < 100; ++i) text += "\xc3\xa4";
    return text;
  }());
  EXPECT_EQ(umlauts.size(), 127U);
  EXPECT_TRUE(umlauts.ends_with("\xc3\xa4")) << umlauts;
}

}  // namespace
}  // namespace tcpdwell::exporter
