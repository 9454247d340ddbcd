// SPDX-License-Identifier: Apache-2.0
#include "host/service.h"

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

constexpr std::size_t kFullId = 64, kShownId = 12;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) { return text.size() == kFullId && is_hex(text); }

std::string_view without_suffix(std::string_view text, std::string_view suffix) {
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  return text;
}

struct Container {
  std::string runtime;  // empty: no container
  std::string id;
};

// Names of container cgroups: PREFIX-<id>.scope with the systemd driver, PREFIX-<id> without it,
// SLICE:PREFIX:<id> if kubelet and containerd are configured with different drivers.
constexpr std::pair<std::string_view, std::string_view> kRuntimes[] = {
    {"docker", "docker"},         {"cri-containerd", "containerd"}, {"crio", "cri-o"},
    {"libpod", "podman"},         {"nerdctl", "nerdctl"},           {"crio-payload", "cri-o"},
    {"libpod-payload", "podman"},
};

Container container_of(std::string_view part, std::string_view parent) {
  part = without_suffix(part, ".scope");
  if (is_id(part)) return {parent == "docker" ? "docker" : "container", std::string(part)};
  const std::size_t cut = part.find_last_of("-:");
  if (cut == std::string_view::npos || !is_id(part.substr(cut + 1))) return {};
  std::string_view prefix = part.substr(0, cut);
  if (const std::size_t colon = prefix.rfind(':'); colon != std::string_view::npos)
    prefix.remove_prefix(colon + 1);
  for (const auto& [known, runtime] : kRuntimes)
    if (prefix == known) return {std::string(runtime), std::string(part.substr(cut + 1))};
  return {};
}

// The uid from "pod<uid>" below kubepods, or from "kubepods-burstable-pod<uid>.slice", where each
// '-' of the uid is written '_' for systemd. "": no pod.
std::string pod_of(std::string_view part) {
  part = part.substr(0, part.find(':'));
  part = without_suffix(part, ".slice");
  const std::size_t at = part.rfind("-pod");
  std::string_view uid;
  if (part.starts_with("pod"))
    uid = part.substr(3);
  else if (at != std::string_view::npos && part.find("kubepods") != std::string_view::npos)
    uid = part.substr(at + 4);
  std::string text(uid);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

std::string lxc_of(std::string_view part, std::string_view parent) {
  for (const std::string_view prefix : {"lxc.payload.", "lxc.monitor."})
    if (part.starts_with(prefix)) return "lxc " + std::string(part.substr(prefix.size()));
  if (parent == "lxc" || parent == "lxc.payload") return "lxc " + std::string(part);
  return "";
}

struct Found {
  std::string unit, pod, lxc;
  Container container;
  bool kubepods = false;

  void add(std::string_view part, std::string_view parent) {
    if (part.find("kubepods") != std::string_view::npos) kubepods = true;
    if (kubepods)
      if (std::string uid = pod_of(part); !uid.empty()) pod = std::move(uid);
    if (Container inner = container_of(part, parent); !inner.runtime.empty())
      container = std::move(inner);
    else if (std::string name = lxc_of(part, parent); !name.empty())
      lxc = std::move(name);
    else if (part.ends_with(".service") || part.ends_with(".scope"))
      unit = part;
  }
};

Found parts_of(std::string_view cgroup_path) {
  Found found;
  std::string_view parent;
  while (!cgroup_path.empty()) {
    const std::string_view part = cgroup_path.substr(0, cgroup_path.find('/'));
    cgroup_path.remove_prefix(std::min(cgroup_path.size(), part.size() + 1));
    if (part.empty()) continue;
    found.add(part, parent);
    parent = part;
  }
  return found;
}

}  // namespace

std::string service_of(std::string_view cgroup_path) {
  const Found found = parts_of(cgroup_path);
  const std::string id = found.container.id.substr(0, kShownId);
  if (!found.pod.empty())
    return "kubepods pod " + found.pod + (id.empty() ? "" : " container " + id);
  if (!id.empty()) return found.container.runtime + ' ' + id;
  return found.lxc.empty() ? found.unit : found.lxc;
}

std::string pod_container_of(std::string_view cgroup_path) {
  Found found = parts_of(cgroup_path);
  return found.pod.empty() ? std::string() : std::move(found.container.id);
}

}  // namespace tcpdwell
