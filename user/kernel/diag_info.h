// SPDX-License-Identifier: Apache-2.0
// Reads the messages in which sock_diag(7) describes a socket.
#pragma once

#include <linux/inet_diag.h>
#include <linux/netlink.h>

#include <cstdint>
#include <optional>

#include "model/event.h"

namespace tcpdwell {

// inet_diag_req_v2::idiag_ext of a request for bytes_in().
inline constexpr std::uint8_t kAskInfo = 1U << (INET_DIAG_INFO - 1);

// NLMSG_DATA() without its casts.
const inet_diag_msg& message(const nlmsghdr& header);
// nullopt: the message has no tcp_info. `state`: of the socket, a full one.
std::optional<ByteCounts> bytes_in(const nlmsghdr& header, State state);

}  // namespace tcpdwell
