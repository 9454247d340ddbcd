// SPDX-License-Identifier: Apache-2.0
// Opens network namespaces, and nothing else. Other users control most references: their process
// can replace a descriptor by a terminal, a FIFO or a FUSE file at any moment. Opening such a file
// can have effects, block, or set our controlling terminal. So the type of a file is checked before
// it is opened, queried or closed.
#pragma once

#include <cstdint>
#include <string>

#include "util/unique_fd.h"

namespace tcpdwell {

// Opens by cookie, which is never reused, and number (since 6.18). Touches no process and no path.
UniqueFd open_netns(std::uint64_t cookie, std::uint32_t inum);
// False: this kernel cannot open a namespace by its cookie, or refuses it.
bool can_open_netns_by_cookie();

// Opens the namespace of a thread. The link in /proc always refers to a namespace.
UniqueFd open_netns_of_thread(std::uint32_t tid);
// Opens the file of a descriptor of another process; empty if it is not a network namespace.
UniqueFd open_netns_of_descriptor(std::uint32_t pid, int fd);
// Opens the namespace of a socket of another process. A child fetches the descriptor, because a
// replaced one may hang it.
UniqueFd open_netns_of_socket(std::uint32_t pid, int fd);
// Opens a bind mount in our mount namespace. Never waits for the file system of a parent directory.
UniqueFd open_netns_mount(const std::string& path);
// Opens a path that the user gave. errno is EINVAL if it is not a network namespace.
UniqueFd open_netns_path(const std::string& path);

}  // namespace tcpdwell
