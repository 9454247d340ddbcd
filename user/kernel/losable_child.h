// SPDX-License-Identifier: Apache-2.0
// Runs operations that may hang for ever. Access to a page or a descriptor of another user's
// process can hang in the kernel, deaf to SIGKILL, if a FUSE server of that user does not answer. A
// hung thread would keep our process from exiting; a child can be left behind.
#pragma once

#include <functional>
#include <optional>

#include "util/unique_fd.h"

namespace tcpdwell {

struct ChildAnswer {
  char byte = 0;
  UniqueFd fd;
};

// Use it rarely: after a fork, the first write to each of our pages is a page fault.
//
// Runs `job` in a forked child, which answers through `channel` and has no other descriptor.
// nullopt: no answer within a second, or too many children are left behind already.
std::optional<ChildAnswer> ask_child(const std::function<void(int channel)>& job);
// In the child.
void answer(int channel, char byte, int fd = -1);

}  // namespace tcpdwell
