// SPDX-License-Identifier: Apache-2.0
// FlagRecords for the tests of output about stuck sockets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/records.h"

namespace tcpdwell::samples {

inline Holder holder(std::uint32_t pid, std::string_view comm, std::int32_t fd) {
  return {.process = owner_of(pid, comm).process, .fd = fd};
}

// 10.0.0.1:8080 of python3[4711], whose peer closed 2m10s ago.
inline FlagRecord stuck_server(Cause cause = Cause::EofRead, std::uint16_t peer_port = 50000) {
  FlagRecord flag{.when = kWhen, .socket = ipv4_client()};
  flag.socket.cookie = peer_port;
  flag.socket.flow.local = endpoint(Family::Ipv4, "10.0.0.1", 8080);
  flag.socket.flow.remote = endpoint(Family::Ipv4, "10.0.0.2", peer_port);
  flag.socket.role = Role::Server;
  flag.socket.owner = owner_of(4711, "python3", Via::Accept);
  flag.socket.cgroup = "/system.slice/web.service";
  flag.threshold = 60s;
  flag.dwell = {130s};
  flag.cause = cause;
  flag.holders = {holder(4711, "python3", 9)};
  return flag;
}

// A client of 10.0.0.9:5432 that called shutdown().
inline FlagRecord half_closed_client(std::uint16_t own_port = 40000) {
  FlagRecord flag = stuck_server(Cause::HalfClosed);
  flag.socket.cookie = own_port;
  flag.state = State::FinWait2;
  flag.socket.role = Role::Client;
  flag.socket.flow.local = endpoint(Family::Ipv4, "10.0.0.1", own_port);
  flag.socket.flow.remote = endpoint(Family::Ipv4, "10.0.0.9", 5432);
  return flag;
}

inline FlagRecord orphan(std::uint16_t own_port = 40000) {
  FlagRecord flag = half_closed_client(own_port);
  flag.cause = Cause::Orphaned;
  flag.holders.clear();
  flag.dwell = {66s};
  return flag;
}

inline FlagRecord cleared(FlagRecord flag, Nanos in_all) {
  flag.raised = false;
  flag.dwell = {in_all};
  flag.holders.clear();
  return flag;
}

inline FlagRecord by_exit(FlagRecord flag, Nanos lasted) {
  flag.by_exit = true;
  flag.dwell = {lasted};
  return flag;
}

constexpr Cause kCauses[] = {
    Cause::None,    Cause::NotAccepted, Cause::DataUnread, Cause::Sending,   Cause::EofUnread,
    Cause::EofRead, Cause::HalfClosed,  Cause::Orphaned,   Cause::NotClosed, Cause::ConnectFailed};

// Names as an attacker would choose them.
constexpr std::string_view kHostile[] = {"\033[2J\033[H",
                                         "a\nb\rc\td",
                                         "\x9b"
                                         "31m",
                                         "\xc2\x9b"
                                         "31m",
                                         "\xff\xfe\xc0\x80",
                                         "\x7f\b\b\b",
                                         "\xe2\x80\xaegpj",
                                         "\033]0;title\a"};

// Ignores line ends, which our own output has.
inline std::string hostile_byte_in_lines(std::string text) {
  std::erase(text, '\n');
  return hostile_byte(text);
}

inline std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at) ++count;
  return count;
}

}  // namespace tcpdwell::samples
