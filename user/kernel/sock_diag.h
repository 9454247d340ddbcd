// SPDX-License-Identifier: Apache-2.0
// Queries single sockets through sock_diag, as ss does, in the network namespace of the calling
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lifecycle/questions.h"
#include "model/event.h"
#include "util/result.h"

namespace tcpdwell {

// Returns an answer to each question, in order, without holders. Identifies a socket by its cookie,
// or a request sock without one by its addresses. Errors: netlink does not work at all.
Result<std::vector<InquiryEvent>> ask_kernel(std::span<const Question> questions);

// Local ports within [low, high] of listeners and of bound, unconnected sockets, once for each
// socket. The kernel lists the latter since 6.8; before, they are missing.
std::vector<std::uint16_t> bound_ports(std::uint16_t low, std::uint16_t high);

struct Listeners {
  std::size_t count = 0;
  std::size_t with_queue = 0;  // listeners with a non-empty accept queue
};
// Reads the calling thread's namespace; nullopt: the list is incomplete. Takes tens of
// microseconds, whatever the number of connections.
std::optional<Listeners> find_listeners();

// Looks up the sockets with these addresses, in order; Present if found. Without a remote port,
// looks up the listener. Does not find a socket that is bound to a device.
std::vector<InquiryEvent> find_sockets(std::span<const Flow> flows);

}  // namespace tcpdwell
