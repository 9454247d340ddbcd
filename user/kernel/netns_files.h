// SPDX-License-Identifier: Apache-2.0
// Opens network namespaces, and nothing else. Most ways to one are in other users' hands: a
// descriptor of a process is at any moment what its owner wants it to be, a terminal, a FIFO or a
// file of a FUSE server. To open such a thing can act, block, or make it our controlling terminal.
// So nothing is opened, asked or closed before its kind is known.
#pragma once

#include <cstdint>
#include <string>

#include "util/unique_fd.h"

namespace tcpdwell {

// By its cookie, which no other namespace ever has, and its number (6.18). Touches no process and
// no path.
UniqueFd open_netns(std::uint64_t cookie, std::uint32_t inum);
// False: this kernel cannot open a namespace by its cookie, or we may not.
bool can_open_netns_by_cookie();

// That of a thread. A link of /proc that leads to a namespace whatever the thread does.
UniqueFd open_netns_of_thread(std::uint32_t tid);
// What a descriptor of another process leads to. Empty if it is no network namespace.
UniqueFd open_netns_of_descriptor(std::uint32_t pid, int fd);
// The namespace of a socket that is open in another process. Its descriptor is fetched by a child
// of ours, which may be lost to whatever it fetched instead.
UniqueFd open_netns_of_socket(std::uint32_t pid, int fd);
// A bind mount in our mount namespace. Never waits for the file system of a directory on the way.
UniqueFd open_netns_mount(const std::string& path);
// A path that somebody typed. If it is no network namespace, errno is EINVAL.
UniqueFd open_netns_path(const std::string& path);

}  // namespace tcpdwell
