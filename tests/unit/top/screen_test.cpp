// SPDX-License-Identifier: Apache-2.0
// The state of the screen as bytes.
#include "top/screen.h"

#include <gtest/gtest.h>

namespace tcpdwell::top {
namespace {

Screen sample() {
  Screen screen;
  screen.pages.push_back({.kind = Page::Connection,
                          .of = {Item::Connection, "17"},
                          .selected = {},
                          .place = 3,
                          .scroll = 5});
  screen.pages.front().selected = {Item::Group, std::string("a\0b", 3)};
  screen.sort = Sort::Peer;
  screen.reverse = true;
  screen.by = By::Service;
  screen.filter = "nginx";
  screen.prompt = Prompt::Time;
  screen.input = "03:1";
  screen.say("hello", true);
  return screen;
}

TEST(Screen, PacksAll) {
  const auto back = unpack(pack(sample()));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->pages.size(), 2U);
  EXPECT_EQ(back->page().kind, Page::Connection);
  EXPECT_EQ(back->page().of, (Item{Item::Connection, "17"}));
  EXPECT_EQ(back->page().scroll, 5);
  EXPECT_EQ(back->pages.front().selected.key, std::string("a\0b", 3));
  EXPECT_EQ(back->by, By::Service);
  EXPECT_EQ(pack(*back), pack(sample()));
}

TEST(Screen, RefusesOtherBytes) {
  const std::string bytes = pack(sample());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(unpack(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(unpack(bytes + 'x'));
}

}  // namespace
}  // namespace tcpdwell::top
