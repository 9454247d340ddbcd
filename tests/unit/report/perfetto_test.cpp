// SPDX-License-Identifier: Apache-2.0
// The trace for Perfetto. tests/live/test_report.py decodes it in full.
#include "report/perfetto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "report/lanes.h"
#include "support/reported.h"

namespace tcpdwell::report_story {
namespace {

using reporting::Life;
using reporting::pack_lanes;
using testing::ElementsAre;

Life life_of(std::uint64_t cookie, Nanos begin, Nanos end) {
  Life life;
  life.cookie = cookie;
  life.spans.push_back({.state = State::Established, .begin = begin, .end = end});
  return life;
}

TEST(Lanes, LivesOfALaneDoNotOverlap) {
  const std::vector<Life> lives = {life_of(1, 0s, 5s), life_of(2, 1s, 3s), life_of(3, 3s, 4s),
                                   life_of(4, 4s, 9s), life_of(5, 6s, 7s)};
  std::vector<const Life*> order;
  for (const Life& life : lives) order.push_back(&life);
  const auto lanes = pack_lanes(order);
  std::vector<std::vector<std::uint64_t>> cookies;
  for (const auto& lane : lanes) {
    cookies.emplace_back();
    for (const Life* life : lane) cookies.back().push_back(life->cookie);
  }
  EXPECT_THAT(cookies, ElementsAre(ElementsAre(1), ElementsAre(2, 4), ElementsAre(3, 5)))
      << "one that begins when another ends gets a lane of its own";
}

std::uint64_t varint(const std::string& bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.at(at++));
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
}

// The fields of a message: varints as numbers, all else as bytes.
struct Fields {
  std::multimap<std::uint64_t, std::uint64_t> numbers;
  std::multimap<std::uint64_t, std::string> bytes;
};
Fields fields_of(const std::string& message) {
  Fields fields;
  for (std::size_t at = 0; at < message.size();) {
    const std::uint64_t tag = varint(message, at);
    if ((tag & 7) == 0) {
      fields.numbers.emplace(tag >> 3, varint(message, at));
      continue;
    }
    EXPECT_EQ(tag & 7, 2U);
    const std::size_t size = varint(message, at);
    fields.bytes.emplace(tag >> 3, message.substr(at, size));
    at += size;
  }
  return fields;
}

TEST(Perfetto, SlicesNestAndTracksAreDescribed) {
  Reported reported;
  reported.connects(1, 1s);
  reported.peer_closes(1, 2s);
  reported.connects(2, 1s, "db");
  reported.collector.write(reported.flag(1, 2s, 63s));
  const ReportData data = reported.finish(70s);
  const Fields trace = fields_of(reporting::perfetto_trace(data));
  std::map<std::uint64_t, int> depth;  // by track
  std::map<std::string, int> names;
  int instants = 0;
  for (const auto& [number, bytes] : trace.bytes) {
    ASSERT_EQ(number, 1U);
    const Fields packet = fields_of(bytes);
    if (const auto track = packet.bytes.find(60); track != packet.bytes.end())
      depth[fields_of(track->second).numbers.find(1)->second] = 0;
    const auto found = packet.bytes.find(11);
    if (found == packet.bytes.end()) continue;
    const Fields event = fields_of(found->second);
    const std::uint64_t type = event.numbers.find(9)->second;
    const std::uint64_t track = event.numbers.find(11)->second;
    ASSERT_TRUE(depth.contains(track));
    if (type == 1) ++depth[track];
    if (type == 2) --depth[track];
    EXPECT_GE(depth[track], 0);
    if (type == 3) ++instants;
    if (const auto name = event.bytes.find(23); name != event.bytes.end()) ++names[name->second];
  }
  for (const auto& [track, open] : depth) EXPECT_EQ(open, 0) << track;
  EXPECT_EQ(names["SYN_SENT"], 2);
  EXPECT_EQ(names["CLOSE_WAIT"], 1);
  EXPECT_EQ(names["10.0.0.2:80"], 2) << "a slice for each connection";
  EXPECT_EQ(instants, 1);
}

}  // namespace
}  // namespace tcpdwell::report_story
