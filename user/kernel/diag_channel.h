// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <utility>
#include <vector>

#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell {

// Requests to sock_diag(7) and their answers.
class DiagChannel {
 public:
  static Result<DiagChannel> open() {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!fd) return system_error("opening a sock_diag socket");
    const int room = 1 << 20;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
      ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);  // no CAP_NET_ADMIN
    return DiagChannel(std::move(fd));
  }

  bool send(const void* data, std::size_t size) {
    return ::send(fd_.get(), data, size, 0) == static_cast<ssize_t>(size);
  }

  // Calls handle(header) for each message until it returns false. False: the socket failed.
  template <typename Fn>
  bool receive(Fn&& handle) {
    while (true) {
      const ssize_t got = ::recv(fd_.get(), buffer_.data(), buffer_.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      auto left = static_cast<unsigned>(got);
      for (auto* header = reinterpret_cast<nlmsghdr*>(buffer_.data()); NLMSG_OK(header, left);
           header = NLMSG_NEXT(header, left))
        if (!handle(*header)) return true;
    }
  }

  int refused = 0;  // the negative errno that ended a list, for example without tcp_diag

 private:
  explicit DiagChannel(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  std::vector<char> buffer_ = std::vector<char>(32768);
};

}  // namespace tcpdwell
