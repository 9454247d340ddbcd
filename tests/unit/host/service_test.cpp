// SPDX-License-Identifier: Apache-2.0
// The service of a cgroup, from real paths of systemd, kubelet and the container runtimes.
#include "host/service.h"

#include <gtest/gtest.h>

#include <string>

namespace tcpdwell {
namespace {

const std::string kId = "3f2a1b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708";
const std::string kUid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const std::string kUidOfSystemd = "0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0";

TEST(Service, WholeIdOfTheContainerOfAPod) {
  EXPECT_EQ(pod_container_of("/kubepods/burstable/pod" + kUid + '/' + kId), kId);
  EXPECT_EQ(pod_container_of("/kubepods.slice/kubepods-pod" + kUidOfSystemd +
                             ".slice/cri-containerd-" + kId + ".scope"),
            kId);
  EXPECT_EQ(pod_container_of("/kubepods/burstable/pod" + kUid), "");
  EXPECT_EQ(pod_container_of("/docker/" + kId), "") << "no pod";
  EXPECT_EQ(pod_container_of("/system.slice/nginx.service"), "");
}

TEST(Service, SystemdUnits) {
  EXPECT_EQ(service_of("/system.slice/nginx.service"), "nginx.service");
  EXPECT_EQ(service_of("/system.slice/system-getty.slice/getty@tty1.service"),
            "getty@tty1.service");
  EXPECT_EQ(service_of("/system.slice/nginx.service/workers"), "nginx.service")
      << "a service may have child cgroups";
  EXPECT_EQ(service_of("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service"),
            "web.service");
  EXPECT_EQ(service_of("/user.slice/user-1000.slice/session-3.scope"), "session-3.scope");
}

TEST(Service, Docker) {
  EXPECT_EQ(service_of("/system.slice/docker-" + kId + ".scope"), "docker 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/docker/" + kId), "docker 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/docker/" + kId + "/system.slice/nginx.service"), "docker 3f2a1b4c5d6e")
      << "the container takes precedence over a unit inside it";
}

TEST(Service, OtherRuntimes) {
  EXPECT_EQ(service_of("/machine.slice/libpod-" + kId + ".scope/container"), "podman 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/libpod_parent/libpod-" + kId), "podman 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId +
                       ".scope"),
            "podman 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/system.slice/cri-containerd-" + kId + ".scope"),
            "containerd 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/system.slice/crio-" + kId + ".scope"), "cri-o 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/system.slice/nerdctl-" + kId + ".scope"), "nerdctl 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/ecs/0123/" + kId), "container 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/lxc.payload.web1/system.slice"), "lxc web1");
  EXPECT_EQ(service_of("/lxc/web1"), "lxc web1");
}

TEST(Service, Pods) {
  const std::string wanted = "kubepods pod " + kUid;
  const std::string slice =
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kUidOfSystemd + ".slice";
  EXPECT_EQ(service_of(slice), wanted);
  for (const char* runtime : {"cri-containerd-", "crio-", "docker-"})
    EXPECT_EQ(service_of(slice + '/' + runtime + kId + ".scope"),
              wanted + " container 3f2a1b4c5d6e")
        << runtime;
  EXPECT_EQ(
      service_of("/kubepods.slice/kubepods-pod" + kUidOfSystemd + ".slice/crio-" + kId + ".scope"),
      wanted + " container 3f2a1b4c5d6e")
      << "a guaranteed pod has no class";
  EXPECT_EQ(service_of("/kubepods/besteffort/pod" + kUid + '/' + kId),
            wanted + " container 3f2a1b4c5d6e");
  EXPECT_EQ(service_of("/system.slice/containerd.service/kubepods-burstable-pod" + kUidOfSystemd +
                       ".slice:cri-containerd:" + kId),
            wanted + " container 3f2a1b4c5d6e")
      << "kubelet with systemd, containerd without";
  EXPECT_EQ(service_of("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
                       "kubelet-kubepods-besteffort-pod" +
                       kUidOfSystemd + ".slice/cri-containerd-" + kId + ".scope"),
            wanted + " container 3f2a1b4c5d6e")
      << "kind";
}

TEST(Service, OtherPathsHaveNone) {
  for (const char* path :
       {"", "/", "//", "/user.slice", "/init", "/kubepods.slice", "/kubepods",
        "/kubepods/burstable", "/docker", "/docker/buildkit", "/docker/abc", "/podman", "/a/b/c"})
    EXPECT_EQ(service_of(path), "") << path;
  EXPECT_EQ(service_of("/docker-3f2a.scope"), "docker-3f2a.scope") << "too short to be an id";
  EXPECT_EQ(service_of("/libpod-conmon-" + kId + ".scope"), "libpod-conmon-" + kId + ".scope")
      << "podman's own helper, outside the container";
  EXPECT_EQ(service_of("/x/podcast"), "") << "a pod only below kubepods";
}

}  // namespace
}  // namespace tcpdwell
