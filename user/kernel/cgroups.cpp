// SPDX-License-Identifier: Apache-2.0
#include "kernel/cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <utility>

#include "kernel/mountinfo.h"

namespace tcpdwell {
namespace {

constexpr int kFileidKernfs = 0xfe;  // FILEID_KERNFS of the kernel: the handle is the 64-bit id

// Removes the mount point: "/sys/fs/cgroup/a" -> "/a".
std::string below(const std::string& mount, std::string path) {
  if (!path.starts_with(mount)) return {};
  path.erase(0, mount.size());
  return path.empty() ? "/" : path;
}

}  // namespace

std::string find_cgroup2_mount() {
  for (Mount& mount : our_mounts())
    if (mount.type == "cgroup2") return std::move(mount.path);
  return {};
}

std::vector<CgroupName> list_cgroups(const std::string& mount) {
  namespace fs = std::filesystem;
  std::vector<CgroupName> names;
  struct stat info {};
  if (mount.empty() || ::stat(mount.c_str(), &info) != 0) return names;
  names.push_back({info.st_ino, "/"});
  std::error_code error;
  fs::recursive_directory_iterator it(mount, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code gone;
    if (!it->is_directory(gone) || ::stat(it->path().c_str(), &info) != 0) continue;
    names.push_back({info.st_ino, below(mount, it->path().string())});
  }
  return names;
}

CgroupNames::CgroupNames(std::string mount)
    : mount_(std::move(mount)),
      root_(mount_.empty() ? -1 : ::open(mount_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

// The fallback if open_by_handle_at() is refused, which needs CAP_DAC_READ_SEARCH.
std::string CgroupNames::search(std::uint64_t id) const {
  for (CgroupName& name : list_cgroups(mount_))
    if (name.id == id) return std::move(name.path);
  return {};
}

std::string CgroupNames::path_of(std::uint64_t id) const {
  if (!root_) return {};
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + sizeof id> raw{};
  auto* handle = reinterpret_cast<file_handle*>(raw.data());
  handle->handle_bytes = sizeof id;
  handle->handle_type = kFileidKernfs;
  std::memcpy(handle->f_handle, &id, sizeof id);
  const UniqueFd cgroup(::open_by_handle_at(root_.get(), handle, O_PATH | O_CLOEXEC));
  if (!cgroup) return errno == EPERM ? search(id) : std::string{};
  std::array<char, PATH_MAX> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(cgroup.get());
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  return size > 0 ? below(mount_, {path.data(), static_cast<std::size_t>(size)}) : std::string{};
}

}  // namespace tcpdwell
