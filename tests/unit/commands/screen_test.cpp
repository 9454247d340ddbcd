// SPDX-License-Identifier: Apache-2.0
// What `top` understands after "/": the filters of the command line, and free text.
#include "commands/screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/top.h"

namespace tcpdwell::top_story {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::uint16_t> found(Watched& watched, std::string_view text) {
  auto match = parse_match(text);
  EXPECT_TRUE(match) << text;
  if (match) watched.model.ask({.query = {.match = *match, .by = {}}});
  std::vector<std::uint16_t> ports;
  for (const top::Row& row : watched.model.look().rows) ports.push_back(row.flow.local.port);
  return ports;
}

TEST(ParseMatch, FiltersAndFreeText) {
  Watched watched;
  watched.connects(1, 1s, "nginx");
  watched.connects(2, 2s, "curl");
  watched.peer_closes(2, 3s);
  watched.wait(10s);
  EXPECT_THAT(found(watched, ""), ElementsAre(20001, 20002));
  EXPECT_THAT(found(watched, "lport=20001"), ElementsAre(20001));
  EXPECT_THAT(found(watched, "lport=20000-20010 state=close-wait"), ElementsAre(20002));
  EXPECT_THAT(found(watched, "comm=nginx,php 10.0.0.2"), ElementsAre(20001));
  EXPECT_THAT(found(watched, "min-dwell=7500ms"), ElementsAre(20001));
  EXPECT_THAT(found(watched, "-6"), IsEmpty());
  EXPECT_THAT(found(watched, "state=ESTABLISHED curl"), IsEmpty());
}

TEST(ParseMatch, RefusesWrongFilters) {
  const auto error = [](std::string_view text) {
    const auto match = parse_match(text);
    return match ? std::string() : match.error().text();
  };
  EXPECT_THAT(error("lport=x"), HasSubstr("x"));
  EXPECT_THAT(error("colour=red"), HasSubstr("colour=red"));
  EXPECT_THAT(error("nginx state=OPEN"), HasSubstr("OPEN"));
}

TEST(ParseMatch, ALineOfAGroupFindsItsConnections) {
  Watched watched(parse_match);
  watched.connects(1, 1s, "nginx");
  watched.connects(2, 2s, "curl");
  watched.wait(10s);
  for (int by = 0; by < 5; ++by) {
    watched.screen = {};
    watched.controls.ask();
    for (int i = 0; i <= by; ++i) watched.press(text("g"));
    if (by == 1) continue;  // no service is known
    const std::uint64_t all = watched.model.look().sums.at(0).all;
    watched.press(Key::Down);
    watched.press(Key::Enter);
    EXPECT_EQ(watched.model.look().matching, all) << watched.screen.filter;
  }
}

}  // namespace
}  // namespace tcpdwell::top_story
