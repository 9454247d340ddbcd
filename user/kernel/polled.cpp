// SPDX-License-Identifier: Apache-2.0
#include "kernel/polled.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <set>
#include <system_error>

#include "kernel/proc_text.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostAskedForEpoll = 64;
constexpr std::size_t kMostLookedThrough = 4096;   // of one process, until its epoll instances
constexpr std::size_t kMostEpollText = 1U << 20U;  // of one epoll instance: some 10,000 descriptors
constexpr std::string_view kSocketLink = "socket:[";

std::string link_text(const std::string& path) {
  std::array<char, 64> text{};
  const ssize_t size = ::readlink(path.c_str(), text.data(), text.size());
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

bool polls(std::uint32_t pid, std::int32_t fd) {
  const std::string socket = link_text(proc(pid, "fd/" + std::to_string(fd)));
  if (!socket.starts_with(kSocketLink)) return false;
  std::error_code error;
  std::size_t looked_at = 0;
  for (std::filesystem::directory_iterator it(proc(pid, "fd"), error), end;
       !error && it != end && looked_at < kMostLookedThrough; it.increment(error), ++looked_at) {
    const std::string name = it->path().filename();
    if (link_text(proc(pid, "fd/" + name)) == "anon_inode:[eventpoll]" &&
        is_watched(read_text(proc(pid, "fdinfo/" + name), kMostEpollText), socket))
      return true;
  }
  return false;
}

}  // namespace

bool is_watched(std::string_view fdinfo, std::string_view socket) {
  if (!socket.starts_with(kSocketLink) || !socket.ends_with(']')) return false;
  const std::string_view digits = socket.substr(kSocketLink.size());
  std::uint64_t inode = 0;
  const auto [rest, failed] =
      std::from_chars(digits.data(), digits.data() + digits.size() - 1, inode);
  if (failed != std::errc{} || rest != digits.data() + digits.size() - 1) return false;
  constexpr std::string_view kInode = " ino:";
  for (auto at = fdinfo.find(kInode); at != fdinfo.npos; at = fdinfo.find(kInode, at)) {
    at += kInode.size();
    std::uint64_t watched = 0;
    const auto parsed =
        std::from_chars(fdinfo.data() + at, fdinfo.data() + fdinfo.size(), watched, 16);
    if (parsed.ec == std::errc{} && watched == inode) return true;
  }
  return false;
}

std::vector<std::uint32_t> polled_by(const std::vector<Holder>& holders) {
  std::set<std::uint32_t> pids;
  std::size_t asked = 0;
  for (const Holder& holder : holders) {
    if (holder.process.pid == 0 || pids.contains(holder.process.pid)) continue;
    if (++asked > kMostAskedForEpoll) break;
    if (polls(holder.process.pid, holder.fd)) pids.insert(holder.process.pid);
  }
  return {pids.begin(), pids.end()};
}

}  // namespace tcpdwell
