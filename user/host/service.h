// SPDX-License-Identifier: Apache-2.0
// Which service or container a cgroup belongs to, read off its path.
#pragma once

#include <string>
#include <string_view>

namespace tcpdwell {

// "nginx.service", "docker 3f2a1b4c5d6e", "podman ...", "containerd ...", "cri-o ...",
// "kubepods pod <uid> container 3f2a1b4c5d6e", "container 3f2a1b4c5d6e" (of a runtime that does not
// show), "lxc <name>", "session-3.scope"; "" if it is none of these. A container goes before the
// unit that it runs in. The bytes are as untrusted as the path's.
std::string service_of(std::string_view cgroup_path);

}  // namespace tcpdwell
