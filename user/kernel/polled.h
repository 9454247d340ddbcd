// SPDX-License-Identifier: Apache-2.0
// Which processes wait for a socket by epoll, from /proc/PID/fdinfo (fs/eventpoll.c,
// ep_show_fdinfo).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

// Those of the holders (pids, sorted) that have the socket behind their descriptor in an epoll
// instance. Empty also if not all of this can be read: a part of it would point at the wrong ones.
std::vector<std::uint32_t> polled_by(const std::vector<Holder>& holders);

// `fdinfo` is the text of an epoll instance, `socket` what the link of a descriptor says:
// "socket:[4711]".
bool is_watched(std::string_view fdinfo, std::string_view socket);

}  // namespace tcpdwell
