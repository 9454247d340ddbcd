// SPDX-License-Identifier: Apache-2.0
#include "churn_options.h"

#include <getopt.h>
#include <sched.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace tcpdwell::bench {
namespace {

constexpr const char* kUsage = R"(usage: churn [OPTIONS]
  --threads N            load threads, each on a CPU of its own (1)
  --cpu LIST             the CPUs to use, as 0,1 (those it may run on)
  --connections N        so many in all, or
  --seconds S            for so long, or
  --until-stdin-closes   so long (it also ends at SIGINT and SIGTERM)
  --family 4|6           (4)
  --who-closes client|server   who closes first (client)
  --port P               the first port to listen on (9000)
  --announce             print the line `ready` when connections are being made
  --null-syscall         no connections: the time of a getppid() (--seconds, --cpu)
It prints one line of JSON at its end.
)";

}  // namespace

void die(std::string_view doing, int error) {
  std::fprintf(stderr, "churn: %.*s: %s\n", static_cast<int>(doing.size()), doing.data(),
               std::strerror(error));
  std::exit(1);
}

void refuse(std::string_view what) {
  std::fprintf(stderr, "churn: %.*s\n%s", static_cast<int>(what.size()), what.data(), kUsage);
  std::exit(2);
}

int checked(int result, std::string_view doing) {
  if (result < 0) die(doing, errno);
  return result;
}

namespace {

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  checked(::sched_getaffinity(0, sizeof set, &set), "sched_getaffinity");
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
  return cpus;
}

template <typename T>
T number(std::string_view text, T low, T high) {
  T value = {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high)
    refuse("not a number that fits: " + std::string(text));
  return value;
}

std::vector<int> cpu_list(std::string_view text) {
  std::vector<int> cpus;
  while (true) {
    const auto comma = text.find(',');
    cpus.push_back(number<int>(text.substr(0, comma), 0, CPU_SETSIZE - 1));
    if (comma == std::string_view::npos) return cpus;
    text.remove_prefix(comma + 1);
  }
}

bool one_of_two(std::string_view text, std::string_view no, std::string_view yes) {
  if (text != no && text != yes) refuse("neither " + std::string(no) + " nor " + std::string(yes));
  return text == yes;
}

}  // namespace

Options parse(int argc, char** argv) {
  static const option kOptions[] = {{"threads", required_argument, nullptr, 't'},
                                    {"cpu", required_argument, nullptr, 'c'},
                                    {"connections", required_argument, nullptr, 'n'},
                                    {"seconds", required_argument, nullptr, 's'},
                                    {"until-stdin-closes", no_argument, nullptr, 'u'},
                                    {"family", required_argument, nullptr, 'f'},
                                    {"who-closes", required_argument, nullptr, 'w'},
                                    {"port", required_argument, nullptr, 'p'},
                                    {"announce", no_argument, nullptr, 'a'},
                                    {"null-syscall", no_argument, nullptr, 'z'},
                                    {nullptr, 0, nullptr, 0}};
  Options options;
  for (int c; (c = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) switch (c) {
      case 't': options.threads = number<unsigned>(optarg, 1, 128); break;
      case 'c': options.cpus = cpu_list(optarg); break;
      case 'n': options.connections = number<std::uint64_t>(optarg, 1, 1ULL << 40); break;
      case 's': options.seconds = number<double>(optarg, 1e-3, 1e6); break;
      case 'u': options.until_stdin_closes = true; break;
      case 'f': options.family = one_of_two(optarg, "4", "6") ? AF_INET6 : AF_INET; break;
      case 'w': options.server_closes = one_of_two(optarg, "client", "server"); break;
      case 'p': options.port = number<std::uint16_t>(optarg, 1, 32767); break;
      case 'a': options.announce = true; break;
      case 'z': options.null_syscall = true; break;
      default: refuse("no such option");
    }
  if (optind != argc) refuse("no arguments but options");
  if (options.cpus.empty()) options.cpus = allowed_cpus();
  if (options.port + options.threads * options.listeners() > 65535) refuse("too many ports");
  return options;
}

}  // namespace tcpdwell::bench
