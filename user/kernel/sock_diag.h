// SPDX-License-Identifier: Apache-2.0
// Asks the kernel about single sockets by sock_diag (what ss uses), in the network namespace that
// the calling thread is in.
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

// An answer to each question, in their order, with no holders yet. A socket is known by its cookie;
// a request sock that has none by its addresses. Errors: netlink does not work at all.
Result<std::vector<InquiryEvent>> ask_kernel(std::span<const Question> questions);

// Local ports within [low, high] that listeners have, or what is bound and not connected; each as
// often as somebody has it. The kernel lists the latter from 6.8 on only. What cannot be listed is
// missing.
std::vector<std::uint16_t> bound_ports(std::uint16_t low, std::uint16_t high);

struct Listeners {
  std::size_t count = 0;
  std::size_t with_queue = 0;  // something waits there to be accepted
};
// Of the namespace that the calling thread is in; nullopt: they could not all be listed. Tens of
// microseconds, however many connections there are.
std::optional<Listeners> find_listeners();

// The sockets that have these addresses, in their order; Present, or else it was not found. No
// remote port: the listener there is meant. One that is bound to a device is not found.
std::vector<InquiryEvent> find_sockets(std::span<const Flow> flows);

}  // namespace tcpdwell
