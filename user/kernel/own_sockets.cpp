// SPDX-License-Identifier: Apache-2.0
#include "kernel/own_sockets.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

namespace tcpdwell {
namespace {

UniqueFd tcp_socket() { return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

bool bring_loopback_up() {
  const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  if (!control || ::ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) return false;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ::ioctl(control.get(), SIOCSIFFLAGS, &request) == 0;
}

// A listener and a connected client.
struct Pair {
  UniqueFd listener = tcp_socket();
  UniqueFd client = tcp_socket();

  // `deferred`: the kernel keeps a half-open request until the client sends data.
  bool connect(bool deferred) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* name = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    const int seconds = deferred ? 30 : 0;
    return listener && client && ::bind(listener.get(), name, size) == 0 &&
           ::setsockopt(listener.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds) ==
               0 &&
           ::listen(listener.get(), 1) == 0 && ::getsockname(listener.get(), name, &size) == 0 &&
           ::connect(client.get(), name, size) == 0;
  }
};

}  // namespace

OwnSockets::OwnSockets() {
  made_ = ::unshare(CLONE_NEWNET) == 0 && bring_loopback_up() && make_minisock() && make_request();
}

// The end that closes first enters TIME_WAIT.
bool OwnSockets::make_minisock() {
  Pair pair;
  if (!pair.connect(false)) return false;
  const UniqueFd server(::accept4(pair.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!server) return false;
  pair.client.reset();
  return true;
}

bool OwnSockets::make_request() {
  Pair pair;
  if (!pair.connect(true)) return false;
  kept_.push_back(std::move(pair.listener));
  kept_.push_back(std::move(pair.client));
  return true;
}

}  // namespace tcpdwell
