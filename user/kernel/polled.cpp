// SPDX-License-Identifier: Apache-2.0
#include "kernel/polled.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>

#include "kernel/proc_text.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostAskedForEpoll = 64;
constexpr std::size_t kMostLookedThrough = 65'536;  // descriptors of one process
constexpr std::size_t kMostEpollText = 1U << 20U;  // of one epoll instance: some 10,000 descriptors
constexpr std::string_view kSocketLink = "socket:[";

std::string link_text(const std::string& path) {
  std::array<char, 64> text{};
  const ssize_t size = ::readlink(path.c_str(), text.data(), text.size());
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

// nullopt: not all of it can be read.
std::optional<bool> polls(std::uint32_t pid, std::int32_t fd) {
  const std::string socket = link_text(proc(pid, "fd/" + std::to_string(fd)));
  if (!socket.starts_with(kSocketLink)) return std::nullopt;
  std::error_code error;
  std::size_t looked_at = 0;
  for (std::filesystem::directory_iterator it(proc(pid, "fd"), error), end; !error && it != end;
       it.increment(error)) {
    if (++looked_at > kMostLookedThrough) return std::nullopt;
    const std::string name = it->path().filename();
    if (link_text(proc(pid, "fd/" + name)) != "anon_inode:[eventpoll]") continue;
    const std::string fdinfo = read_text(proc(pid, "fdinfo/" + name), kMostEpollText);
    if (is_watched(fdinfo, socket)) return true;
    if (fdinfo.empty() || fdinfo.size() == kMostEpollText) return std::nullopt;
  }
  return error ? std::nullopt : std::optional(false);
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
  if (holders.size() > kMostAskedForEpoll) return {};
  std::set<std::uint32_t> pids;
  for (const Holder& holder : holders) {
    if (pids.contains(holder.process.pid)) continue;
    const auto polled =
        holder.process.pid != 0 ? polls(holder.process.pid, holder.fd) : std::nullopt;
    if (!polled) return {};
    if (*polled) pids.insert(holder.process.pid);
  }
  return {pids.begin(), pids.end()};
}

}  // namespace tcpdwell
