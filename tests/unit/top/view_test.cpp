// SPDX-License-Identifier: Apache-2.0
// Whole screens, compared with the files in tests/golden/top. TCPDWELL_UPDATE_GOLDEN=1 writes them
// anew; look at each before you keep it.
#include "top/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "sinks/text_format.h"
#include "support/flags.h"
#include "support/top.h"
#include "top/paint.h"

namespace tcpdwell::top_story {
namespace {

using testing::HasSubstr;

constexpr top::Size kSizes[] = {{60, 20}, {80, 24}, {120, 40}, {200, 60}};

void compare(const top::Grid& grid, const std::string& name) {
  const std::string path = std::string(TCPDWELL_SOURCE_DIR) + "/tests/golden/top/" + name + ".txt";
  if (std::getenv("TCPDWELL_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << grid.text();
    return;
  }
  std::ifstream file(path);
  const std::string golden((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(grid.text(), golden) << path;
}

// No line is wider than the screen, and no byte is one that a terminal acts on.
void check(const top::Grid& grid) {
  std::string text = grid.text();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    EXPECT_LE(display_width(std::string_view(text).substr(at, end - at)),
              static_cast<std::size_t>(grid.width()));
    at = end + 1;
  }
  EXPECT_EQ(samples::hostile_byte_in_lines(text), "");
}

void compare_sizes(Watched& watched, const std::string& name) {
  for (const top::Size size : kSizes) {
    top::settle(watched.model.look(), watched.setting, size, watched.screen);
    const top::Grid grid = top::view(watched.model.look(), watched.screen, watched.setting, size);
    check(grid);
    compare(grid, name + '_' + std::to_string(size.width) + 'x' + std::to_string(size.height));
  }
}

Flow ipv6_flow(std::uint16_t port) {
  Flow flow = make_flow();
  flow.family = Family::Ipv6;
  flow.local = samples::endpoint(Family::Ipv6, "2001:db8:85a3:1234:5678:8a2e:370:7334", port);
  flow.remote = samples::endpoint(Family::Ipv6, "2001:db8::2", 443);
  return flow;
}

// IPv6, long, wide and hostile names, stuck sockets of several causes, ports that run out.
void fill(Watched& watched) {
  watched.table.on(NamespaceEvent{.at = kBegan,
                                  .netns_cookie = 1,
                                  .port_low = 20001,
                                  .port_high = 20040,
                                  .reserved_ports = 0,
                                  .tw_reuse = std::uint8_t{0}});
  constexpr const char* kNames[] = {"nginx",
                                    "日本語サーバ",
                                    "a-name-of-15-by",
                                    "\033[2J\033[Hx",
                                    ("e\xcc\x81"
                                     "ditor"),
                                    "\xff\xfe\xc0\x80"};
  for (std::uint64_t i = 1; i <= 30; ++i) {
    watched.connects(i, 1s + i * 1700ms, kNames[i % std::size(kNames)]);
    if (i % 3 == 0) watched.peer_closes(i, 60s + i * 10ms);
  }
  for (std::uint16_t port = 1; port <= 3; ++port) {
    auto open = watched.moves(State::Closed, State::SynSent, 2s, 1000 + port, "curl");
    open.flow = ipv6_flow(static_cast<std::uint16_t>(40000 + port));
    watched.table.on(open);
    open.from = State::SynSent;
    open.to = State::Established;
    open.at += 30ms;
    open.task.reset();
    watched.table.on(open);
  }
  for (std::uint16_t port = 50000; port < 50012; ++port)
    watched.raise(samples::stuck_server(Cause::EofRead, port), 60s);
  FlagRecord other = samples::half_closed_client();
  other.socket.flow.family = Family::Ipv6;
  other.socket.flow.local = ipv6_flow(40001).local;
  other.socket.flow.remote = ipv6_flow(40001).remote;
  other.holders = {samples::holder(99, "日本語サーバ", 12)};
  other.processes = {{.pid = 99, .state = 'S', .parent = other.socket.owner->process.pid}};
  watched.raise(other, 61s);
  FlagRecord hostile = samples::stuck_server(Cause::DataUnread, 51000);
  hostile.holders = {samples::holder(66, samples::kHostile[0], 3)};
  hostile.processes = {{.pid = 66, .state = 'S', .parent = hostile.socket.owner->process.pid}};
  hostile.unread_bytes = 4096;
  watched.raise(hostile, 62s);
  watched.raise(samples::orphan(40007), 230s);
  for (int second = 60; second <= 240; second += 10) watched.wait(second * 1s);
}

TEST(TopView, Nothing) {
  Watched watched;
  watched.table.snapshot_begins();
  watched.table.snapshot_ended();
  watched.wait(10s);
  compare_sizes(watched, "nothing");
}

TEST(TopView, Busy) {
  Watched watched;
  fill(watched);
  compare_sizes(watched, "busy");
}

TEST(TopView, BusyWithASelectedConnection) {
  Watched watched;
  fill(watched);
  watched.press(Key::End);
  compare_sizes(watched, "selected");
}

TEST(TopView, AHundredThousand) {
  Watched watched;
  for (std::uint64_t i = 1; i <= 100'000; ++i)
    watched.connects(i, 1s + i * 1ms, i % 7 == 0 ? "nginx" : "app");
  watched.wait(110s);
  compare_sizes(watched, "many");
}

TEST(TopView, Sums) {
  Watched watched;
  fill(watched);
  watched.press(text("g"));
  watched.press(Key::End);
  compare_sizes(watched, "by_owner");
}

TEST(TopView, Group) {
  Watched watched;
  fill(watched);
  watched.press(Key::Down);
  watched.press(Key::Enter);
  compare_sizes(watched, "group");
}

TEST(TopView, Connection) {
  Watched watched;
  fill(watched);
  watched.press(Key::Down);
  watched.press(Key::Enter);
  watched.press(Key::Down);
  watched.press(Key::Enter);
  compare_sizes(watched, "connection");
}

// On the first screen, in its group and in its connection.
TEST(TopView, LinesOfCode) {
  Watched watched;
  FlagRecord flag = samples::stuck_server();
  flag.opened.stack = std::make_shared<const Stack>(Stack{{.function = "Pool.checkout",
                                                           .file = "/srv/svc.py",
                                                           .line = 5,
                                                           .module = {},
                                                           .kind = FrameKind::Python}});
  watched.raise(flag, 60s);
  watched.wait(70s);
  for (int page = 0; page < 3; ++page) {
    constexpr top::Size kSize{120, 40};
    top::settle(watched.model.look(), watched.setting, kSize, watched.screen);
    EXPECT_THAT(top::view(watched.model.look(), watched.screen, watched.setting, kSize).text(),
                HasSubstr("opened at Pool.checkout (svc.py:5)"))
        << page;
    watched.press(Key::Down);
    watched.press(Key::Enter);
  }
}

TEST(TopView, Help) {
  Watched watched;
  watched.wait(10s);
  watched.press(text("?"));
  compare_sizes(watched, "help");
}

TEST(TopView, AsciiOnly) {
  Watched watched;
  watched.setting.ascii = true;
  fill(watched);
  for (const top::Size size : kSizes) {
    const std::string text =
        top::view(watched.model.look(), watched.screen, watched.setting, size).text();
    for (const char byte : text) ASSERT_LT(static_cast<unsigned char>(byte), 0x80) << text;
  }
}

// Without colors a frame has no color sequence, and the signs say what is stuck.
TEST(TopView, ColorIsNotTheOnlySign) {
  Watched watched;
  fill(watched);
  const top::Grid grid = top::view(watched.model.look(), watched.screen, watched.setting, {80, 24});
  const std::string frame = top::paint(grid, nullptr, false);
  for (const char* color : {";31m", ";32m", ";35m", ";36m"})
    EXPECT_EQ(frame.find(color), std::string::npos);
  EXPECT_THAT(grid.text(), HasSubstr("\n!     12 CLOSE_WAIT"));
}

TEST(TopView, AnySizeIsDrawn) {
  Watched watched;
  fill(watched);
  for (int width = 1; width < 130; width += 3)
    for (int height = 1; height < 50; height += 5) {
      const top::Size size{width, height};
      top::settle(watched.model.look(), watched.setting, size, watched.screen);
      const top::Grid grid = top::view(watched.model.look(), watched.screen, watched.setting, size);
      EXPECT_EQ(grid.width(), width);
    }
}

}  // namespace
}  // namespace tcpdwell::top_story
