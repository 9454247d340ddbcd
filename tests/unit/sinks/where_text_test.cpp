// SPDX-License-Identifier: Apache-2.0
#include "sinks/where_text.h"

#include <gtest/gtest.h>

#include <memory>

namespace tcpdwell {
namespace {

Frame python(std::string function, std::string file, std::uint32_t line) {
  return {.function = std::move(function),
          .file = std::move(file),
          .line = line,
          .module = {},
          .kind = FrameKind::Python};
}
Frame native(std::string function, std::string file, std::uint32_t line, std::string module) {
  return {.function = std::move(function),
          .file = std::move(file),
          .line = line,
          .module = std::move(module),
          .offset = 0x1234,
          .kind = FrameKind::Native};
}

TEST(StackText, BeginsAtTheNearestFrameOfTheProgram) {
  EXPECT_EQ(
      stack_text({native("__recv", "../sysdeps/recv.c", 28, "/lib/libc.so.6"),
                  python("create_connection", "/usr/lib/python3.11/socket.py", 836),
                  python("Pool.checkout", "/srv/svc.py", 5), python("main", "/srv/svc.py", 14),
                  python("<module>", "/srv/svc.py", 17), python("run", "/srv/x.py", 1)}),
      "Pool.checkout (svc.py:5), from main (svc.py:14), from <module> (svc.py:17)");
}

TEST(StackText, LeavesOutNamesWithoutLinesIfOthersHaveLines) {
  EXPECT_EQ(stack_text({native("read", "", 0, "/srv/static"),
                        native("serve(int)", "a.cpp", 7, "/srv/static")}),
            "serve (a.cpp:7)");
}

TEST(StackText, ANameMayHaveParentheses) {
  for (const auto& [function, shown] :
       {std::pair("main.(*Pool).Checkout", "main.(*Pool).Checkout"),
        {"main.(*Pool).Checkout.func1", "main.(*Pool).Checkout.func1"},
        {"Pool::operator()(int)", "Pool::operator()"},
        {"Pool::checkout(std::function<void (int)>)", "Pool::checkout"}})
    EXPECT_EQ(stack_text({native(function, "a", 7, "/srv/app")}), std::string(shown) + " (a:7)");
}

TEST(StackText, GivesModuleAndOffsetForAStrippedProgram) {
  EXPECT_EQ(stack_text({native("__recv", "", 0, "/lib/libc.so.6"), native("", "", 0, "/srv/app")}),
            "app+0x1234");
}

TEST(StackText, NamesTheLibraryIfThereIsNothingElse) {
  EXPECT_EQ(stack_text({native("runtime.futex", "/usr/lib/go/src/runtime/sys.s", 560, "/srv/app")}),
            "runtime.futex (sys.s:560)");
  EXPECT_EQ(stack_text({}), "");
}

TEST(StackText, OfACallbackShowsWhatItsEventLoopCalled) {
  const Stack outside{python("Handle._run", "/usr/lib/python3.11/asyncio/events.py", 80),
                      python("BaseEventLoop._run_once", "/usr/lib/python3.11/asyncio/base.py", 9),
                      python("<module>", "/srv/svc.py", 20)};
  Stack stack{native("__recv", "", 0, "/lib/libc.so.6"), python("handler", "/srv/svc.py", 9)};
  stack.insert(stack.end(), outside.begin(), outside.end());
  EXPECT_EQ(stack_text(stack), "handler (svc.py:9)");
  stack[1] = python("_read_ready", "/usr/lib/python3.11/asyncio/selector_events.py", 7);
  EXPECT_EQ(stack_text(stack), "_read_ready (selector_events.py:7), a line of the event loop");
  EXPECT_EQ(stack_text({native("epoll_wait", "", 0, "/lib/libc.so.6"),
                        native("uv__io_poll", "", 0, "/usr/bin/node"),
                        native("uv_run", "", 0, "/usr/bin/node"),
                        native("node::SpinEventLoop(node::Environment*)", "", 0, "/usr/bin/node")}),
            "epoll_wait, a line of the event loop");
}

TEST(StackText, SaysThatALineOfJitCodeIsWhereItsFunctionBegins) {
  Frame connect = python("connect", "node:net", 227), leak = python("leak", "/srv/app.js", 4);
  connect.kind = leak.kind = FrameKind::Jit;
  EXPECT_EQ(
      stack_text({native("node::TCPWrap::Connect(...)", "", 0, "/usr/bin/node"), connect, leak}),
      "leak (begins at app.js:4)");
}

TEST(StackText, EscapesNames) {
  EXPECT_EQ(stack_text({python("a\x1b[31m", "b\n.py", 1)}), "a\\x1b[31m (b\\x0a.py:1)");
}

TEST(WhereLines, SayWhatEachThreadWaitsFor) {
  BlockedThread waits{.tid = 4711, .comm = "svc", .call = "recvfrom"};
  waits.fd = 3;
  waits.socket.emplace();
  waits.socket->remote.addr = {10, 0, 0, 2};
  waits.socket->remote.port = 7272;
  waits.stack = {python("handler", "svc.py", 9)};
  BlockedThread idle{.tid = 4712, .threads = 7, .comm = "svc", .call = "futex", .stack = {}};
  BlockedThread runs{
      .tid = 4713, .comm = "svc", .call = {}, .stack = {}, .missing = NoStack::Running};
  LeakGroup group;
  group.holders.push_back({.process = {.pid = 42}, .facts = ProcessFacts{.pid = 42}, .fds = {}});
  EXPECT_TRUE(where_lines(group).empty()) << "not asked for";
  group.holders[0].facts->blocked =
      std::make_shared<const BlockedThreads>(BlockedThreads{waits, idle, runs});
  EXPECT_EQ(where_lines(group),
            (std::vector<std::string>{
                "thread 4711 is in recvfrom(fd 3, 10.0.0.2:7272) at handler (svc.py:9)",
                "7 threads are in futex"}));
}

TEST(WhereLines, NameAListenerByItsOwnAddress) {
  BlockedThread waits{.tid = 4711, .comm = "svc", .call = "accept4", .stack = {}};
  waits.fd = 3;
  waits.socket.emplace();
  LeakGroup group;
  const auto line = [&] {
    group.holders = {{.process = {.pid = 42}, .facts = ProcessFacts{.pid = 42}, .fds = {}}};
    group.holders[0].facts->blocked = std::make_shared<const BlockedThreads>(BlockedThreads{waits});
    return where_lines(group).at(0);
  };
  EXPECT_EQ(line(), "thread 4711 is in accept4(fd 3)") << "a socket without any address";
  waits.socket->local = {.addr = {127, 0, 0, 1}, .port = 8080};
  EXPECT_EQ(line(), "thread 4711 is in accept4(fd 3, local 127.0.0.1:8080)");
}

TEST(WhereLines, BeginWithWhereItWasOpenedAndRead) {
  LeakGroup group;
  group.opened = std::make_shared<const Stack>(Stack{python("Pool.checkout", "/srv/svc.py", 5)});
  group.eof_read = std::make_shared<const Stack>(Stack{python("handler", "/srv/svc.py", 9)});
  EXPECT_EQ(where_lines(group),
            (std::vector<std::string>{"opened at Pool.checkout (svc.py:5)",
                                      "end of stream read at handler (svc.py:9)"}));
}

TEST(WhereLines, ChoosesTheOneOfTheCause) {
  LeakGroup group;
  EXPECT_EQ(main_where_line(group), "") << "not asked for";
  group.opened = std::make_shared<const Stack>(Stack{python("accept", "/srv/svc.py", 5)});
  group.cause = Cause::EofRead;
  EXPECT_EQ(main_where_line(group), "opened at accept (svc.py:5)") << "nothing else is known";
  group.eof_read = std::make_shared<const Stack>(Stack{python("handler", "/srv/svc.py", 9)});
  EXPECT_EQ(main_where_line(group), "end of stream read at handler (svc.py:9)");
  group.cause = Cause::DataUnread;
  EXPECT_EQ(main_where_line(group), "opened at accept (svc.py:5)");
  BlockedThread waits{.tid = 4711, .comm = "svc", .call = "futex", .stack = {}};
  group.holders.push_back({.process = {.pid = 42}, .facts = ProcessFacts{.pid = 42}, .fds = {}});
  group.holders[0].facts->blocked = std::make_shared<const BlockedThreads>(BlockedThreads{waits});
  EXPECT_EQ(main_where_line(group), "thread 4711 is in futex") << "instead of reading";
  group.cause = Cause::Sending;
  EXPECT_EQ(main_where_line(group), "opened at accept (svc.py:5)");
}

}  // namespace
}  // namespace tcpdwell
