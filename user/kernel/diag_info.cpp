// SPDX-License-Identifier: Apache-2.0
#include "kernel/diag_info.h"

#include <linux/rtnetlink.h>
#include <linux/tcp.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace tcpdwell {
namespace {

// The kernel's tcp_info can be shorter or longer than ours.
std::optional<tcp_info> info_in(const nlmsghdr& header) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&header);
  std::size_t at = NLMSG_SPACE(sizeof(inet_diag_msg));
  rtattr attribute{};
  while (at + sizeof attribute <= header.nlmsg_len) {
    std::memcpy(&attribute, bytes + at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || at + attribute.rta_len > header.nlmsg_len) break;
    const std::size_t size = attribute.rta_len - RTA_LENGTH(0);
    if (attribute.rta_type == INET_DIAG_INFO && size >= offsetof(tcp_info, tcpi_segs_out)) {
      tcp_info info{};
      std::memcpy(&info, bytes + at + RTA_LENGTH(0), std::min(size, sizeof info));
      return info;
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
  return std::nullopt;
}

}  // namespace

const inet_diag_msg& message(const nlmsghdr& header) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&header) + NLMSG_HDRLEN;
  return *reinterpret_cast<const inet_diag_msg*>(bytes);
}

// tcp_info counts an acknowledged or received FIN as a byte.
std::optional<ByteCounts> bytes_in(const nlmsghdr& header, State state) {
  const auto info = info_in(header);
  const std::uint64_t fin_sent = state == State::FinWait2 ? 1 : 0;
  const std::uint64_t fin_received = state == State::CloseWait ? 1 : 0;
  if (!info || info->tcpi_bytes_acked < fin_sent || info->tcpi_bytes_received < fin_received)
    return std::nullopt;
  return ByteCounts{.sent = info->tcpi_bytes_acked - fin_sent,
                    .received = info->tcpi_bytes_received - fin_received};
}

}  // namespace tcpdwell
