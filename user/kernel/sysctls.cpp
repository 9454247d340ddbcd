// SPDX-License-Identifier: Apache-2.0
#include "kernel/sysctls.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "kernel/namespaces.h"
#include "kernel/netns_files.h"
#include "util/thread.h"
#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kLongest = 512U << 10U;

std::optional<std::string> read_value(std::string_view name) {
  std::string path = "/proc/sys/" + std::string(name);
  std::replace(path.begin() + sizeof "/proc/sys", path.end(), '.', '/');
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string value;
  std::array<char, 4096> text{};  // ip_local_reserved_ports may be long
  for (ssize_t size = 0; file && value.size() < kLongest;
       value.append(text.data(), static_cast<std::size_t>(size)))
    if (size = ::read(file.get(), text.data(), text.size()); size <= 0) break;
  if (value.empty()) return std::nullopt;
  value.erase(value.find_last_not_of('\n') + 1);
  return value;
}

// /proc/sys/net shows the namespace of the calling thread.
SysctlValues read_here(std::span<const std::string_view> names) {
  SysctlValues values;
  for (const std::string_view name : names)
    if (auto value = read_value(name)) values.emplace(name, std::move(*value));
  return values;
}

// Run it on a thread of its own: the thread stays in the namespace.
bool move_to(const NetnsChoice& netns) {
  const UniqueFd file = open_netns_path(netns.path);
  struct stat info {};
  return file && ::fstat(file.get(), &info) == 0 && info.st_ino == netns.inum &&
         ::setns(file.get(), CLONE_NEWNET) == 0;
}

}  // namespace

std::uint32_t own_netns() {
  struct stat info {};
  return ::stat("/proc/thread-self/ns/net", &info) == 0 ? static_cast<std::uint32_t>(info.st_ino)
                                                        : 0;
}

std::optional<SysctlValues> read_sysctls(std::span<const std::string_view> names,
                                         const NetnsChoice& netns, BpfIterators* iterators) {
  if (netns.inum == own_netns()) return read_here(names);
  std::optional<SysctlValues> values;
  make_thread([&] {
    if (!netns.path.empty()) {
      if (move_to(netns)) values = read_here(names);
      return;
    }
    if (!iterators) return;
    Namespaces namespaces(*iterators);
    for (const auto& found : namespaces.find())
      if (found.inum == netns.inum && !values)
        namespaces.enter(found.cookie, [&] { values = read_here(names); });
  }).join();
  return values;
}

}  // namespace tcpdwell
