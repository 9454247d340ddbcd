// SPDX-License-Identifier: Apache-2.0
// Records for the tests of sinks, and an output that can be read back.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <string>
#include <string_view>

#include "model/record.h"
#include "sinks/output.h"
#include "util/unique_fd.h"

// A separate namespace, since other tests have helpers with the same names.
namespace tcpdwell::samples {

using namespace std::chrono_literals;

// 2026-01-02T03:04:05.006007008Z
inline constexpr When kWhen{.mono = 123'456'789ns, .unix_time = 1'767'323'045'006'007'008ns};

inline Endpoint endpoint(Family family, const char* address, std::uint16_t port) {
  Endpoint end;
  end.port = port;
  const int af = family == Family::Ipv4 ? AF_INET : AF_INET6;
  EXPECT_EQ(::inet_pton(af, address, end.addr.data()), 1) << address;
  return end;
}

inline Owner owner_of(std::uint32_t pid, std::string_view comm, Via via = Via::Connect) {
  Owner owner;
  owner.process.pid = pid;
  owner.process.uid = 1000;
  owner.via = via;
  std::copy_n(comm.begin(), std::min(comm.size(), owner.process.comm.size()),
              owner.process.comm.begin());
  return owner;
}

// Keeps text until the program ends, so that records can refer to it.
inline std::string_view kept(std::string text) {
  static std::deque<std::string> texts;
  return texts.emplace_back(std::move(text));
}

inline SocketInfo ipv4_client() {
  SocketInfo socket;
  socket.cookie = 0x1a2b;
  socket.flow.local = endpoint(Family::Ipv4, "10.0.0.1", 54321);
  socket.flow.remote = endpoint(Family::Ipv4, "10.0.0.2", 80);
  socket.flow.netns = 4026531840;
  socket.role = Role::Client;
  socket.owner = owner_of(42, "curl");
  socket.cgroup = "/user.slice";
  return socket;
}

inline SocketInfo ipv6_server() {
  SocketInfo socket = ipv4_client();
  socket.flow.family = Family::Ipv6;
  socket.flow.local = endpoint(Family::Ipv6, "2001:db8::1", 443);
  socket.flow.remote = endpoint(Family::Ipv6, "2001:db8::2", 50000);
  socket.role = Role::Server;
  socket.owner = owner_of(7, "nginx", Via::Accept);
  return socket;
}

inline TransitionRecord transition(State from, State to, std::optional<Dwell> dwell,
                                   Why why = Why::Unknown) {
  return {
      .when = kWhen, .socket = ipv4_client(), .from = from, .to = to, .dwell = dwell, .why = why};
}

// The first control byte that a terminal or line reader would act on, as a number; "": none. Remove
// our own escape sequences before.
inline std::string hostile_byte(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto before = static_cast<unsigned char>(i > 0 ? text[i - 1] : 0);
    // 80 to 9f is a C1 control after c2, and alone on an 8-bit terminal; else part of a character
    const bool c1 = byte >= 0x80 && byte < 0xa0 && (before < 0x80 || before == 0xc2);
    if (byte < 0x20 || byte == 0x7f || c1) return std::to_string(byte);
  }
  return "";
}

// Captures output in memory; text() returns what was written so far.
class Captured {
 public:
  Captured() : fd_(::memfd_create("captured", MFD_CLOEXEC)), output_(fd_.get()) {}
  Output& output() { return output_; }
  std::string text() {
    EXPECT_EQ(output_.flush_through(), Output::Status::Ok);
    std::string all(static_cast<std::size_t>(::lseek(fd_.get(), 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(fd_.get(), all.data(), all.size(), 0), static_cast<ssize_t>(all.size()));
    return all;
  }

 private:
  UniqueFd fd_;
  Output output_;
};

}  // namespace tcpdwell::samples
