// SPDX-License-Identifier: Apache-2.0
#include "kernel/cgroups.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tcpdwell {
namespace {

constexpr int kFileidKernfs = 0xfe;  // FILEID_KERNFS of the kernel: the handle is the 64-bit id

// The path of the mount, without it: "/sys/fs/cgroup/a" -> "/a".
std::string below(const std::string& mount, std::string path) {
  if (!path.starts_with(mount)) return {};
  path.erase(0, mount.size());
  return path.empty() ? "/" : path;
}

}  // namespace

std::string find_cgroup2_mount() {
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos || line.compare(dash + 3, 8, "cgroup2 ") != 0) continue;
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5; ++i) words >> word;
    return word;
  }
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

CgroupResolver::CgroupResolver(std::string mount)
    : mount_(std::move(mount)),
      root_(mount_.empty() ? -1 : ::open(mount_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      ready_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  // Signals are the event loop's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

CgroupResolver::~CgroupResolver() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void CgroupResolver::ask(std::vector<std::uint64_t> ids) {
  if (ids.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    questions_.insert(questions_.end(), ids.begin(), ids.end());
  }
  wake_.notify_one();
}

std::vector<CgroupName> CgroupResolver::take_answers() {
  std::uint64_t count = 0;
  if (::read(ready_.get(), &count, sizeof count) < 0) return {};
  const std::lock_guard lock(mutex_);
  return std::exchange(answers_, {});
}

void CgroupResolver::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !questions_.empty(); });
    if (stop_) return;
    const auto questions = std::exchange(questions_, {});
    lock.unlock();
    std::vector<CgroupName> answers;
    for (const std::uint64_t id : questions) answers.push_back({id, path_of(id)});
    lock.lock();
    answers_.insert(answers_.end(), answers.begin(), answers.end());
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(ready_.get(), &one, sizeof one);
  }
}

std::string CgroupResolver::path_of(std::uint64_t id) const {
  if (!root_) return {};
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + sizeof id> raw{};
  auto* handle = reinterpret_cast<file_handle*>(raw.data());
  handle->handle_bytes = sizeof id;
  handle->handle_type = kFileidKernfs;
  std::memcpy(handle->f_handle, &id, sizeof id);
  const UniqueFd cgroup(::open_by_handle_at(root_.get(), handle, O_PATH | O_CLOEXEC));
  if (!cgroup) return {};
  std::array<char, PATH_MAX> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(cgroup.get());
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  return size > 0 ? below(mount_, {path.data(), static_cast<std::size_t>(size)}) : std::string{};
}

}  // namespace tcpdwell
