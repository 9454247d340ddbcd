// SPDX-License-Identifier: Apache-2.0
#include "kernel/listener_list.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "model/types.h"
#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kListBuffer = 16 * 1024;  // the kernel splits the list to fit

struct ListRequest {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

bool ask_for_list(int fd, int family) {
  ListRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = static_cast<std::uint8_t>(family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = 1U << index(State::Listen);
  request.body.idiag_ext = 1U << (INET_DIAG_SKMEMINFO - 1);
  return ::send(fd, &request, sizeof request, 0) == static_cast<ssize_t>(sizeof request);
}

// sk_drops, from the attributes that follow the message.
std::uint32_t drops_of(const nlmsghdr& header, const inet_diag_msg& found) {
  auto left = static_cast<int>(header.nlmsg_len - NLMSG_LENGTH(sizeof found));
  const auto* attribute = reinterpret_cast<const rtattr*>(&found + 1);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
    if (attribute->rta_type != INET_DIAG_SKMEMINFO || RTA_PAYLOAD(attribute) < sizeof values)
      continue;
    std::memcpy(values.data(), RTA_DATA(attribute), sizeof values);
    return values[SK_MEMINFO_DROPS];
  }
  return 0;
}

// False: the list is incomplete.
bool read_list(int fd, std::vector<ListedListener>& all) {
  std::array<std::byte, kListBuffer> buffer{};
  while (true) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || got > static_cast<ssize_t>(buffer.size())) return false;
    auto left = static_cast<unsigned>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return true;
      if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
          header->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg)))
        return false;
      const auto& found = *reinterpret_cast<const inet_diag_msg*>(
          reinterpret_cast<const std::byte*>(header) + NLMSG_HDRLEN);
      Endpoint local{.port = ntohs(found.id.idiag_sport)};
      std::memcpy(local.addr.data(), found.id.idiag_src, found.idiag_family == AF_INET ? 4 : 16);
      all.push_back(
          {.cookie = found.id.idiag_cookie[0] | std::uint64_t{found.id.idiag_cookie[1]} << 32U,
           .family = found.idiag_family == AF_INET ? Family::Ipv4 : Family::Ipv6,
           .local = local,
           .length = found.idiag_rqueue,
           .backlog = found.idiag_wqueue,
           .syns_dropped = drops_of(*header, found)});
    }
  }
}

}  // namespace

std::optional<std::vector<ListedListener>> list_listeners() {
  const UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!fd) return std::nullopt;
  std::vector<ListedListener> all;
  for (const int family : {AF_INET, AF_INET6})
    if (!ask_for_list(fd.get(), family) || !read_list(fd.get(), all)) return std::nullopt;
  return all;
}

}  // namespace tcpdwell
