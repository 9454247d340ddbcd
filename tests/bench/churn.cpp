// SPDX-License-Identifier: Apache-2.0
// Makes TCP connections over loopback as fast as it can, and says exactly how many state
// transitions that was. Each thread is both ends of its connections: connect, accept, one end
// closes, the other reads the end of the stream and closes. Run it in a network namespace of its
// own: what it waits for at its end is a count of the namespace's sockets.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "churn_options.h"
#include "util/unique_fd.h"

namespace tcpdwell::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// What the kernel tells of one connection, both ends, whoever closes first: SYN_SENT, ESTABLISHED;
// SYN_RECV, ESTABLISHED; FIN_WAIT1, FIN_WAIT2, CLOSE; CLOSE_WAIT, LAST_ACK, CLOSE.
constexpr std::uint64_t kTransitionsPerConnection = 10;
constexpr std::uint64_t kTransitionsPerListener = 2;
// --- addresses and sockets --------------------------------------------------------------------

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address loopback4(std::uint32_t host, std::uint16_t port) {
  sockaddr_in in = {};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(0x7f000000U | host);
  Address address{.size = sizeof in};
  std::memcpy(&address.storage, &in, sizeof in);
  return address;
}

Address loopback6(std::uint16_t port) {
  sockaddr_in6 in = {};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  Address address{.size = sizeof in};
  std::memcpy(&address.storage, &in, sizeof in);
  return address;
}

UniqueFd stream_socket(int family) {
  return UniqueFd(checked(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
}

void set(const UniqueFd& fd, int level, int option) {
  const int on = 1;
  checked(::setsockopt(fd.get(), level, option, &on, sizeof on), "setsockopt");
}

struct Listener {
  Address address;
  UniqueFd fd;
};

Listener listen_on(const Address& address) {
  Listener listener{.address = address, .fd = stream_socket(address.storage.ss_family)};
  set(listener.fd, SOL_SOCKET, SO_REUSEADDR);
  checked(::bind(listener.fd.get(), address.get(), address.size), "bind of a listener");
  checked(::listen(listener.fd.get(), SOMAXCONN), "listen");
  return listener;
}

void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set))
    die("pinning a thread to its CPU", error);
}

// --- one thread of the load -------------------------------------------------------------------

class Load {
 public:
  Load(const Options& options, unsigned number) : options_(options), number_(number) {
    const std::uint64_t share = options.connections / options.threads;
    limit_ = share + (number < options.connections % options.threads ? 1 : 0);
    const unsigned first = options.port + number * options.listeners();
    for (unsigned i = 0; i < options.listeners(); ++i) {
      const auto port = static_cast<std::uint16_t>(first + i);
      listeners_.push_back(
          listen_on(options.family == AF_INET ? loopback4(1, port) : loopback6(port)));
    }
  }

  std::uint64_t made() const { return made_.load(std::memory_order_relaxed); }
  void stop() { stop_.store(true, std::memory_order_relaxed); }

  void run() {
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        Seconds(options_.seconds != 0 ? options_.seconds : 1e9));
    for (std::uint64_t i = 0; !stop_.load(std::memory_order_relaxed); ++i) {
      if (options_.connections != 0 && i == limit_) return;
      if (Clock::now() >= end) return;
      connect_once(i);
      made_.store(i + 1, std::memory_order_relaxed);
    }
  }

 private:
  void connect_once(std::uint64_t i) {
    const Listener& listener = listeners_[i % listeners_.size()];
    UniqueFd client = stream_socket(options_.family);
    if (options_.family == AF_INET) {
      // 127.1.0.1 and on: a /16 a thread, 1 to 254 in its last octet.
      const auto host = static_cast<std::uint32_t>(i % (254 * 256));
      const Address from = loopback4((number_ + 1) << 16 | (host / 254) << 8 | (host % 254 + 1), 0);
      set(client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
      checked(::bind(client.get(), from.get(), from.size), "bind of a client");
    }
    checked(::connect(client.get(), listener.address.get(), listener.address.size), "connect");
    UniqueFd server(
        checked(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept"));
    if (options_.server_closes)
      close_both(server, client);
    else
      close_both(client, server);
  }

  static void close_both(UniqueFd& first, UniqueFd& second) {
    first.reset();
    char byte;
    if (checked(static_cast<int>(::recv(second.get(), &byte, 1, 0)), "recv") != 0)
      die("a stream had data", EPROTO);
    second.reset();
  }

  const Options& options_;
  unsigned number_;
  std::uint64_t limit_ = 0;
  std::vector<Listener> listeners_;
  std::atomic<std::uint64_t> made_ = 0;
  std::atomic<bool> stop_ = false;
};

// --- the whole of it --------------------------------------------------------------------------

double cpu_seconds() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// TCP sockets of this namespace that are not in TIME_WAIT.
std::uint64_t sockets_in_use(int family) {
  std::ifstream file(family == AF_INET ? "/proc/thread-self/net/sockstat"
                                       : "/proc/thread-self/net/sockstat6");
  const std::string name = family == AF_INET ? "TCP:" : "TCP6:";
  std::string word;
  while (file >> word)
    if (word == name) {
      std::uint64_t count = 0;
      if (file >> word >> count) return count;
    }
  refuse("no count of the TCP sockets in /proc/net/sockstat");
}

// The last LAST_ACK ends when its acknowledgment comes, which need not be inside our close().
bool settled(int family, std::uint64_t before) {
  const auto deadline = Clock::now() + std::chrono::seconds(5);
  while (sockets_in_use(family) > before) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Until all threads are done, or somebody wants them to end.
void wait_for(const UniqueFd& done, const UniqueFd& signals, bool stdin_too) {
  pollfd fds[] = {{done.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  while (true) {
    if (::poll(fds, stdin_too ? 3 : 2, -1) < 0 && errno != EINTR) die("poll", errno);
    char buffer[256];
    if (fds[0].revents != 0 || fds[1].revents != 0) return;
    if (stdin_too && fds[2].revents != 0 && ::read(STDIN_FILENO, buffer, sizeof buffer) <= 0)
      return;
  }
}

void announce(const std::vector<std::unique_ptr<Load>>& loads) {
  const auto deadline = Clock::now() + std::chrono::seconds(1);
  const auto begun = [](const auto& load) { return load->made() != 0; };
  while (!std::ranges::all_of(loads, begun) && Clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::puts("ready");
  std::fflush(stdout);
}

int churn(const Options& options) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGINT);
  sigaddset(&mask, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
  const UniqueFd signals(checked(::signalfd(-1, &mask, SFD_CLOEXEC), "signalfd"));
  const UniqueFd done(checked(::eventfd(0, EFD_CLOEXEC), "eventfd"));

  const std::uint64_t before = sockets_in_use(options.family);
  std::vector<std::unique_ptr<Load>> loads;
  for (unsigned i = 0; i < options.threads; ++i)
    loads.push_back(std::make_unique<Load>(options, i));

  std::barrier start(static_cast<std::ptrdiff_t>(options.threads) + 1);
  std::atomic<unsigned> running = options.threads;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < options.threads; ++i)
    threads.emplace_back([&, i] {
      pin_to(options.cpus[i % options.cpus.size()]);
      start.arrive_and_wait();
      loads[i]->run();
      const std::uint64_t one = 1;
      if (--running == 0 && ::write(done.get(), &one, sizeof one) < 0) die("eventfd", errno);
    });
  const double cpu_before = cpu_seconds();
  const auto begin = Clock::now();
  start.arrive_and_wait();
  if (options.announce) announce(loads);
  wait_for(done, signals, options.until_stdin_closes);
  for (const auto& load : loads) load->stop();
  for (auto& thread : threads) thread.join();
  const double took = Seconds(Clock::now() - begin).count();
  const double cpu = cpu_seconds() - cpu_before;

  std::uint64_t connections = 0;
  for (const auto& load : loads) connections += load->made();
  loads.clear();
  const bool exact = settled(options.family, before);
  const std::uint64_t listeners = std::uint64_t{options.threads} * options.listeners();
  const auto per_connection = [&](double x) {
    return connections != 0 ? x / static_cast<double>(connections) : 0;
  };
  std::printf(
      "{\"connections\":%" PRIu64 ",\"transitions\":%" PRIu64 ",\"exact\":%s,\"listeners\":%" PRIu64
      ",\"threads\":%u,\"seconds\":%.6f,\"connections_per_s\":%.1f,\"cpu_s\":%.6f,"
      "\"cpu_ns_per_connection\":%.1f}\n",
      connections, connections * kTransitionsPerConnection + listeners * kTransitionsPerListener,
      exact ? "true" : "false", listeners, options.threads, took,
      static_cast<double>(connections) / took, cpu, per_connection(cpu * 1e9));
  return exact ? 0 : 1;
}

int null_syscall(const Options& options) {
  constexpr int kBatch = 20'000;
  pin_to(options.cpus.front());
  const Seconds length(options.seconds != 0 ? options.seconds : 0.3);
  std::vector<double> batches;
  const auto begin = Clock::now();
  for (auto now = begin; now - begin < length;) {
    for (int i = 0; i < kBatch; ++i) ::syscall(SYS_getppid);
    const auto after = Clock::now();
    batches.push_back(std::chrono::duration<double, std::nano>(after - now).count() / kBatch);
    now = after;
  }
  std::ranges::sort(batches);
  std::printf("{\"syscalls\":%zu,\"ns_min\":%.2f,\"ns_median\":%.2f}\n", batches.size() * kBatch,
              batches.front(), batches[batches.size() / 2]);
  return 0;
}

}  // namespace
}  // namespace tcpdwell::bench

int main(int argc, char** argv) {
  using namespace tcpdwell::bench;
  const Options options = parse(argc, argv);
  if (options.null_syscall) return null_syscall(options);
  if (options.connections == 0 && options.seconds == 0 && !options.until_stdin_closes)
    refuse("one of --connections, --seconds and --until-stdin-closes");
  return churn(options);
}
