// SPDX-License-Identifier: Apache-2.0
// What keys do.
#include "top/controls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/flags.h"
#include "support/top.h"

namespace tcpdwell::top_story {
namespace {

using testing::HasSubstr;
using testing::Not;

// Three connections, oldest first, of ports 20001 to 20003.
class TopKeys : public testing::Test, public Watched {
 protected:
  TopKeys() {
    for (std::uint64_t i = 1; i <= 3; ++i) connects(i, i * 1s, i == 2 ? "nginx" : "app");
    wait(10s);
  }
  std::string port() {
    for (const top::Row& row : model.look().rows)
      if (selected() == Item{Item::Connection, std::to_string(row.key)})
        return std::to_string(row.flow.local.port);
    return "none";
  }
};

TEST_F(TopKeys, SelectsLines) {
  EXPECT_EQ(port(), "none");
  press(Key::Down);
  EXPECT_EQ(port(), "20001");
  press(Key::Down);
  EXPECT_EQ(port(), "20002");
  press(Key::End);
  EXPECT_EQ(port(), "20003");
  press(Key::Down);
  EXPECT_EQ(port(), "20003");
  press(Key::Up);
  EXPECT_EQ(port(), "20002");
  press(Key::Home);
  EXPECT_EQ(port(), "20001");
  press(Key::PageDown);
  EXPECT_EQ(port(), "20003");
  press(Key::PageUp);
  EXPECT_EQ(port(), "20001");
  press(text("j"));
  EXPECT_EQ(port(), "20002");
  press(text("k"));
  EXPECT_EQ(port(), "20001");
  press(Key::Escape);
  EXPECT_EQ(port(), "none");
}

TEST_F(TopKeys, SelectionFollowsItsConnection) {
  press(Key::Down);
  press(Key::Down);
  peer_closes(1, 11s);
  wait(12s);
  EXPECT_EQ(port(), "20002");
  raise(samples::stuck_server(), 10s);  // a line above
  wait(14s);
  shown();
  EXPECT_EQ(port(), "20002");
  EXPECT_THAT(shown(), HasSubstr("\n > 11.999s ESTABLISHED")) << "marked, also without colors";
}

TEST_F(TopKeys, SelectionGoesToTheNextIfItsConnectionEnds) {
  press(Key::Down);
  peer_closes(1, 11s);
  closes(1, 12s);
  wait(14s);
  shown();
  EXPECT_EQ(port(), "20002");
}

TEST_F(TopKeys, OrderStaysWhileALineIsSelected) {
  press(Key::Down);
  peer_closes(1, 11s);
  wait(12s);
  EXPECT_EQ(model.look().rows[0].flow.local.port, 20001);
  press(Key::Escape);
  EXPECT_EQ(model.look().rows[0].flow.local.port, 20002);
}

TEST_F(TopKeys, OpensAConnection) {
  press(Key::Enter);
  EXPECT_THAT(shown(), HasSubstr("select a line first"));
  press(Key::Down);
  press(Key::Enter);
  EXPECT_EQ(screen.page().kind, Page::Connection);
  EXPECT_THAT(shown(), HasSubstr("10.0.0.1:20001 → 10.0.0.2:80"));
  EXPECT_THAT(shown(), HasSubstr("app[42]"));
  press(Key::Escape);
  EXPECT_EQ(screen.page().kind, Page::List);
  EXPECT_EQ(port(), "20001");
}

TEST_F(TopKeys, OpensAGroupAndItsSockets) {
  raise(samples::stuck_server(Cause::EofRead, 50000), 10s);
  raise(samples::stuck_server(Cause::EofRead, 50001), 10s);
  wait(12s);
  press(Key::Down);
  EXPECT_EQ(selected().kind, Item::Group);
  press(Key::Enter);
  EXPECT_EQ(screen.page().kind, Page::Group);
  EXPECT_THAT(shown(), HasSubstr("2 sockets stuck in CLOSE_WAIT, cause eof_read"));
  press(Key::Down);
  press(Key::Enter);
  EXPECT_EQ(screen.page().kind, Page::Connection);
  EXPECT_THAT(shown(), HasSubstr("10.0.0.1:8080 → 10.0.0.2:5000"));
  EXPECT_THAT(shown(), HasSubstr("fd 9 of python3[4711]"));
  press(Key::Escape);
  press(Key::Escape);
  EXPECT_EQ(screen.page().kind, Page::List);
  EXPECT_EQ(selected().kind, Item::Group);
}

TEST_F(TopKeys, Filters) {
  press(text("/"));
  type("nginxx");
  EXPECT_THAT(shown(), HasSubstr("filter: nginxx"));
  press(Key::Backspace);
  EXPECT_EQ(model.look().matching, 3U) << "not before Enter";
  press(Key::Enter);
  EXPECT_EQ(model.look().matching, 1U);
  EXPECT_THAT(shown(), HasSubstr("/nginx"));
  EXPECT_THAT(shown(), HasSubstr("CONNECTIONS  1 that match"));
  press(text("/"));
  EXPECT_EQ(screen.input, "nginx");
  press(Key::Clear);
  press(text("q"));
  EXPECT_EQ(screen.input, "q") << "letters are no commands here";
  press(Key::Escape);
  EXPECT_EQ(screen.filter, "nginx");
  press(Key::Escape);
  EXPECT_EQ(model.look().matching, 3U);
}

TEST_F(TopKeys, RefusesAWrongFilter) {
  top::Controls strict(model, screen, setting, [](std::string_view typed) -> Result<top::Match> {
    if (typed == "lport=x") return Error{"lport: \"x\" is not a port", {}, {}};
    return top::free_text(typed);
  });
  strict.press(text("/"), kSize);
  for (const char letter : std::string("lport=x")) strict.press(text({letter}), kSize);
  strict.press({Key::Enter, {}}, kSize);
  EXPECT_EQ(screen.prompt, top::Prompt::Filter) << "it can be corrected";
  EXPECT_THAT(shown(), HasSubstr("lport: \"x\" is not a port"));
}

TEST_F(TopKeys, SortsAndGroups) {
  press(text("s"));
  EXPECT_THAT(shown(), HasSubstr("by state"));
  press(text("S"));
  EXPECT_THAT(shown(), HasSubstr("by state, descending"));
  press(text("g"));
  EXPECT_THAT(shown(), HasSubstr("CONNECTIONS  3, by owner"));
  EXPECT_THAT(shown(), HasSubstr("nginx"));
  press(Key::End);
  EXPECT_EQ(selected().kind, Item::SumOf);
  press(Key::Enter);
  EXPECT_EQ(screen.by, std::nullopt);
  EXPECT_EQ(screen.filter, "comm=app") << "Enter shows the connections of the line";
  for (const char* name : {"by owner", "by service", "by port", "by peer", "by namespace"}) {
    press(text("g"));
    EXPECT_THAT(shown(), HasSubstr(name));
  }
  press(text("g"));
  EXPECT_EQ(screen.by, std::nullopt);
}

TEST_F(TopKeys, Freezes) {
  press(text(" "));
  EXPECT_THAT(shown(), HasSubstr("FROZEN"));
  connects(4, 11s);
  wait(20s);
  EXPECT_THAT(shown(), HasSubstr("3 open"));
  press(text(" "));
  EXPECT_THAT(shown(), HasSubstr("4 open"));
  EXPECT_THAT(shown(), Not(HasSubstr("FROZEN")));
}

TEST_F(TopKeys, Copies) {
  EXPECT_EQ(press(text("y")).copy, "");
  press(Key::Down);
  EXPECT_EQ(press(text("y")).copy, "10.0.0.1:20001 10.0.0.2:80");
  raise(samples::stuck_server(), 10s);
  wait(12s);
  press(Key::Home);
  EXPECT_THAT(press(text("y")).copy, HasSubstr("strace"));
  press(Key::Enter);
  EXPECT_THAT(press(text("y")).copy, HasSubstr("strace"));
}

TEST_F(TopKeys, GoesToTheNextSection) {
  raise(samples::stuck_server(), 10s);
  wait(12s);
  press(Key::Tab);
  EXPECT_EQ(selected().kind, Item::Group);
  press(Key::Tab);
  EXPECT_EQ(selected().kind, Item::Connection);
  press(Key::Tab);
  EXPECT_EQ(selected().kind, Item::Group);
}

TEST_F(TopKeys, HelpAndQuit) {
  press(text("?"));
  EXPECT_THAT(shown(), HasSubstr("KEYS"));
  press(Key::Escape);
  EXPECT_THAT(shown(), HasSubstr("CONNECTIONS"));
  EXPECT_TRUE(press(text("q")).quit);
  EXPECT_TRUE(press(Key::Interrupt).quit);
  EXPECT_TRUE(press(Key::Suspend).suspend);
  EXPECT_TRUE(press(Key::Redraw).redraw);
}

TEST_F(TopKeys, TravelsOnlyInAReplay) {
  EXPECT_EQ(press(Key::Left).step, std::nullopt);
  EXPECT_THAT(shown(), HasSubstr("replay FILE top"));
  setting.replay = true;
  EXPECT_EQ(press(Key::Left).step, -1s);
  EXPECT_EQ(press(Key::Right).step, 1s);
  EXPECT_EQ(press(text("[")).step, -60s);
  EXPECT_EQ(press(text("]")).step, 60s);
  press(text("T"));
  type("03:04:06");
  EXPECT_THAT(shown(), HasSubstr("time: 03:04:06"));
  EXPECT_EQ(press(Key::Enter).time, "03:04:06");
}

}  // namespace
}  // namespace tcpdwell::top_story
