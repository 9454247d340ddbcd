// SPDX-License-Identifier: Apache-2.0
// Asks something that may never be answered: to touch what another user's process has, a page of
// its memory or a descriptor, can hang in the kernel, deaf to SIGKILL, if a FUSE server of his does
// not answer. A thread that hangs so would keep our process from ending; a child is left behind.
#pragma once

#include <functional>
#include <optional>

#include "util/unique_fd.h"

namespace tcpdwell {

struct ChildAnswer {
  char byte = 0;
  UniqueFd fd;
};

// Not for every day: a fork makes each page of ours that is written to afterwards a page fault.
//
// Runs `job` in a forked child, which answers through `channel` and has no other descriptor.
// nullopt: it had nothing to say, or did not within a second; or too many were left behind already.
std::optional<ChildAnswer> ask_child(const std::function<void(int channel)>& job);
// In the child.
void answer(int channel, char byte, int fd = -1);

}  // namespace tcpdwell
