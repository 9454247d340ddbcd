// SPDX-License-Identifier: Apache-2.0
// What one run of churn is to do, and how it says that it cannot.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tcpdwell::bench {

// A TIME_WAIT keeps its four-tuple for a minute. IPv4 has 127.0.0.0/8 to connect from; IPv6 has
// ::1 only, so it connects to many listeners.
constexpr unsigned kListenersIpv6 = 64;

struct Options {
  unsigned threads = 1;
  std::vector<int> cpus;
  std::uint64_t connections = 0;
  double seconds = 0;
  bool until_stdin_closes = false;
  int family = AF_INET;
  bool server_closes = false;
  std::uint16_t port = 9000;
  bool announce = false;
  bool null_syscall = false;

  unsigned listeners() const { return family == AF_INET ? 1 : kListenersIpv6; }
};

[[noreturn]] void die(std::string_view doing, int error);
[[noreturn]] void refuse(std::string_view what);  // with the usage
int checked(int result, std::string_view doing);  // dies where a system call failed

Options parse(int argc, char** argv);

}  // namespace tcpdwell::bench
