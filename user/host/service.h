// SPDX-License-Identifier: Apache-2.0
// Derives the service or container of a cgroup from its path.
#pragma once

#include <string>
#include <string_view>

namespace tcpdwell {

// "nginx.service", "docker 3f2a1b4c5d6e", "podman ...", "containerd ...", "cri-o ...",
// "kubepods pod <uid> container 3f2a1b4c5d6e", "container 3f2a1b4c5d6e" (runtime not in the path),
// "lxc <name>", "session-3.scope"; "" if none of these. A container takes precedence over the unit
// that it runs in. The result is untrusted, like the path.
std::string service_of(std::string_view cgroup_path);

// The whole id of a container of a Kubernetes pod, 64 hex digits; "": the path has none.
std::string pod_container_of(std::string_view cgroup_path);

}  // namespace tcpdwell
