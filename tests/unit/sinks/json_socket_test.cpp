// SPDX-License-Identifier: Apache-2.0
// Parts of a line are remembered from earlier ones: it must never be another's part.
#include "sinks/json_socket.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

#include "sinks/json_line.h"
#include "sinks/known_texts.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

template <typename Write>
std::string written(Write&& write) {
  std::array<char, 4096> room{};
  const char* const begin = room.data();
  const char* const end = write(room.data());
  return {begin, end};
}

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

std::string plainly(const SocketInfo& info) {
  const bool v4 = info.flow.family == Family::Ipv4;
  const auto end = [&](const Endpoint& of) {
    return "{\"addr\":" + in_quotes(format_address(of, info.flow.family)) +
           ",\"port\":" + std::to_string(of.port) + '}';
  };
  std::string owner = "null";
  if (info.owner)
    owner = "{\"pid\":" + std::to_string(info.owner->process.pid) +
            ",\"comm\":" + in_quotes(info.owner->process.comm_view()) +
            ",\"uid\":" + std::to_string(info.owner->process.uid) +
            ",\"via\":" + in_quotes(name(info.owner->via)) + '}';
  const std::string cookie =
      info.cookie == 0 ? "null" : in_quotes(std::string(1, static_cast<char>('0' + info.cookie)));
  return ",\"cookie\":" + cookie + ",\"life\":" + std::to_string(info.life) +
         ",\"netns\":" + std::to_string(info.flow.netns) + ",\"family\":\"" +
         (v4 ? "ipv4" : "ipv6") + "\",\"local\":" + end(info.flow.local) +
         ",\"remote\":" + end(info.flow.remote) + ",\"role\":" + in_quotes(name(info.role)) +
         ",\"owner\":" + owner + ",\"cgroup\":" + in_quotes(info.cgroup);
}

class AnySocket {
 public:
  // Every second one is the one before, or differs from it in one member.
  SocketInfo operator()() {
    if (below(2) == 0) return change(last_), last_;
    return last_ = make();
  }

 private:
  void change(SocketInfo& info) {
    switch (below(8)) {
      case 0: ++info.life; break;
      case 1: info.flow.local.port ^= 1; break;
      case 2: info.flow.remote.addr[3] ^= 1; break;
      case 3: info.owner.reset(); break;
      case 4: info.cgroup = group(); break;
      case 5: info.flow.netns ^= 1; break;
      default: break;
    }
  }
  // The bytes of a group that is gone can be those of the next one.
  std::string_view group() {
    group_.assign(below(4) == 0 ? 97 : 1 + below(3), static_cast<char>('a' + below(3)));
    return group_;
  }
  SocketInfo make() {
    SocketInfo info;
    info.cookie = below(3);
    info.life = below(3) * 7;
    info.flow.family = below(2) == 0 ? Family::Ipv4 : Family::Ipv6;
    info.flow.local = end();
    info.flow.remote = end();
    info.flow.netns = 4026531840 + below(3);
    info.role = below(2) == 0 ? Role::Client : Role::Server;
    info.cgroup = group();
    if (below(4) == 0) return info;
    info.owner.emplace();
    info.owner->process = {.pid = 1 + below(600), .uid = below(2) * 1000, .cgroup_id = below(2)};
    info.owner->process.comm = {'c', static_cast<char>('a' + below(3))};
    info.owner->via = below(2) == 0 ? Via::Connect : Via::Accept;
    return info;
  }

  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
  // More than are remembered; IPv4 with nothing behind its four bytes, as the kernel side has it.
  Endpoint end() {
    Endpoint end;
    end.addr = {10, 0, static_cast<std::uint8_t>(below(8)), static_cast<std::uint8_t>(below(256))};
    end.port = static_cast<std::uint16_t>(below(65536));
    return end;
  }
  std::mt19937 random_{1};
  std::string group_;
  SocketInfo last_;
};

TEST(JsonSocket, CacheDoesNotChangeTheText) {
  AnySocket any;
  for (int i = 0; i < 50'000; ++i) {
    const SocketInfo info = any();
    ASSERT_EQ(written([&](char* to) { return json::socket(to, info); }), plainly(info));
  }
}

TEST(JsonSocket, EveryChangeOfState) {
  for (int round = 0; round < 2; ++round)
    for (std::size_t from = 1; from < kStates; ++from)
      for (std::size_t to = 1; to < kStates; ++to) {
        const auto before = static_cast<State>(from), after = static_cast<State>(to);
        EXPECT_EQ(written([&](char* out) { return json::change(out, before, after); }),
                  ",\"from\":" + in_quotes(name(before)) + ",\"to\":" + in_quotes(name(after)));
      }
}

TEST(JsonLine, CacheDoesNotChangeMonotonicTimes) {
  for (const Nanos at :
       {0ns, 9ns, 999'999'999ns, 1'000'000'000ns, 1'000'000'001ns, Nanos(10s), Nanos(123456s + 1ns),
        Nanos(123456s + 999'999'999ns), 5ns, Nanos(1s), Nanos::max(), Nanos(123456s)})
    EXPECT_EQ(written([&](char* to) { return json::mono_ns(to, at); }), std::to_string(at.count()));
}

TEST(JsonLine, DigitsHaveTheirWidth) {
  const auto digits = [](std::uint32_t value, int width) {
    return written([&](char* to) { return json::digits(to, value, width); });
  };
  EXPECT_EQ(digits(0, 9), "000000000");
  EXPECT_EQ(digits(123456789, 9), "123456789");
  EXPECT_EQ(digits(90, 6), "000090");
  EXPECT_EQ(digits(7, 1), "7");
}

// Two keys that share a place push each other out.
TEST(KnownTexts, ReturnsTheTextOfTheKey) {
  struct Anywhere {
    std::size_t operator()(int) const { return 0; }
  };
  KnownTexts<int, Anywhere, 8, 4> known;
  int made = 0;
  const auto put = [&](int key) {
    return written([&](char* to) {
      return known.put(to, key, [&](char* out) { return ++made, json::number(out, key); });
    });
  };
  EXPECT_EQ(put(1), "1");
  EXPECT_EQ(put(1), "1");
  EXPECT_EQ(made, 1) << "it is remembered";
  EXPECT_EQ(put(20), "20");
  EXPECT_EQ(put(1), "1");
  EXPECT_EQ(made, 3);
}

}  // namespace
}  // namespace tcpdwell
