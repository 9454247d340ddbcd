// SPDX-License-Identifier: Apache-2.0
// Which stack a flag gets, by the cookie of its socket.
#include "lifecycle/code_places.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tcpdwell {
namespace {

StackEvent event_of(std::uint64_t cookie, StackMoment moment, std::string function) {
  Stack stack{{.function = std::move(function), .file = {}, .module = {}}};
  return {
      .cookie = cookie, .moment = moment, .stack = std::make_shared<const Stack>(std::move(stack))};
}

std::string function_of(const CodePlace& place) {
  return place.stack ? place.stack->front().function : std::string(name(place.missing));
}

FlagRecord flag_of(const CodePlaces& places, std::uint64_t cookie, bool older = false,
                   Cause cause = Cause::EofRead) {
  FlagRecord flag;
  flag.cause = cause;
  places.add_to(flag, cookie, older);
  return flag;
}

TEST(CodePlaces, AreFoundByCookie) {
  CodePlaces places;
  places.on(event_of(7, StackMoment::Opened, "checkout"), true);
  places.on(event_of(7, StackMoment::EofRead, "handler"), true);
  const FlagRecord flag = flag_of(places, 7);
  EXPECT_EQ(function_of(flag.opened), "checkout");
  EXPECT_EQ(function_of(flag.eof_read), "handler");
  EXPECT_EQ(function_of(flag_of(places, 8).opened), "not_seen");
}

TEST(CodePlaces, SayWhyThereIsNone) {
  CodePlaces places;
  EXPECT_EQ(function_of(flag_of(places, 7, true).opened), "older");
  EXPECT_EQ(function_of(flag_of(places, 7, true).eof_read), "older");
  EXPECT_EQ(function_of(flag_of(places, 7, true, Cause::EofUnread).eof_read), "not_seen")
      << "nobody has read it yet";
  places.on({.cookie = 7, .moment = StackMoment::EofRead, .missing = NoStack::Budget}, true);
  EXPECT_EQ(function_of(flag_of(places, 7, true).eof_read), "budget");
  EXPECT_EQ(function_of(flag_of(places, 7, true).opened), "older");
}

TEST(CodePlaces, ASocketThatIsConnectedAgainHasANewPlace) {
  CodePlaces places;
  places.on(event_of(7, StackMoment::Opened, "first"), true);
  places.on(event_of(7, StackMoment::EofRead, "handler"), true);
  places.ended(7);
  places.on(event_of(7, StackMoment::Opened, "second"), true);
  EXPECT_EQ(function_of(flag_of(places, 7).opened), "second");
  EXPECT_EQ(function_of(flag_of(places, 7).eof_read), "not_seen");
}

TEST(CodePlaces, ForgetOnlySocketsThatHaveEnded) {
  CodePlaces places;
  places.on(event_of(1, StackMoment::Opened, "open"), true);
  places.on(event_of(2, StackMoment::Opened, "ended"), false);
  EXPECT_EQ(function_of(flag_of(places, 2).opened), "ended") << "its descriptor may be open";
  for (std::uint64_t cookie = 10; cookie < 10 + CodePlaces::kMostEnded; ++cookie)
    places.on(event_of(cookie, StackMoment::Opened, "other"), false);
  EXPECT_EQ(function_of(flag_of(places, 2).opened), "not_seen");
  EXPECT_EQ(function_of(flag_of(places, 1).opened), "open");
}

}  // namespace
}  // namespace tcpdwell
