// SPDX-License-Identifier: Apache-2.0
#include "kernel/namespaces.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "kernel/programs.h"

namespace tcpdwell {
namespace {

constexpr Nanos kStaysClosed = std::chrono::seconds{10};  // what could not be entered
// The kernel's worker purges the minisocks of a namespace after it has left the list, tens of
// milliseconds later; more where many go at once.
constexpr Nanos kPurge = std::chrono::seconds{2};
constexpr Nanos kForgotten = std::chrono::minutes{1};
constexpr std::size_t kMostWays = 4;  // that are kept: a process may be gone when it is needed

UniqueFd open_path(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

// The namespace of a socket that is open in another process.
UniqueFd through_socket(std::uint32_t pid, int fd) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return UniqueFd{};
  const UniqueFd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  return socket ? UniqueFd(::ioctl(socket.get(), SIOCGSKNS)) : UniqueFd{};
}

// The cookie of the namespace that the calling thread is in (5.14).
std::optional<std::uint64_t> current_cookie() {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (!probe || ::getsockopt(probe.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
    return std::nullopt;
  return cookie;
}

bool is_network_namespace(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

// A bind mount keeps a namespace alive: `ip netns`, container runtimes. Octal escapes stand for
// blanks in mountinfo.
std::vector<std::pair<std::uint32_t, std::string>> namespace_mounts() {
  std::vector<std::pair<std::uint32_t, std::string>> mounts;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, path;
    words >> id >> parent >> device >> root >> path;
    constexpr std::string_view kPrefix = "net:[";
    if (!root.starts_with(kPrefix)) continue;
    std::uint32_t inum = 0;
    std::from_chars(root.data() + kPrefix.size(), root.data() + root.size(), inum);
    std::string plain;
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (path[i] == '\\' && i + 3 < path.size()) {
        plain += static_cast<char>(std::stoi(path.substr(i + 1, 3), nullptr, 8));
        i += 3;
      } else {
        plain += path[i];
      }
    }
    mounts.emplace_back(inum, std::move(plain));
  }
  return mounts;
}

// In the namespace of `fd` for as long as it lives.
class Visit {
 public:
  explicit Visit(int fd)
      : home_(open_path("/proc/thread-self/ns/net")),
        away_(home_ && ::setns(fd, CLONE_NEWNET) == 0) {}
  ~Visit() {
    if (away_ && ::setns(home_.get(), CLONE_NEWNET) != 0) ::abort();  // would see a wrong host
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  explicit operator bool() const { return away_; }

 private:
  UniqueFd home_;
  bool away_;
};

UniqueFd open_way(const Place& place, const std::string& mount) {
  const std::string process = "/proc/" + std::to_string(place.tid);
  switch (place.kind) {
    case Place::Kind::Task: return open_path(process + "/ns/net");
    case Place::Kind::File: return open_path(process + "/fd/" + std::to_string(place.fd));
    case Place::Kind::Socket: return through_socket(place.tid, place.fd);
    case Place::Kind::Mount: return open_path(mount);
    case Place::Kind::InList:
    case Place::Kind::EndOfList: break;
  }
  return UniqueFd{};
}

}  // namespace

void Namespaces::add(const Place& place, std::string mount) {
  auto& ways = ways_[place.netns_cookie];
  if (ways.size() < kMostWays) ways.push_back({place, std::move(mount)});
}

void Namespaces::add_mounts() {
  for (auto& [inum, path] : namespace_mounts()) {
    const UniqueFd file = open_path(path);
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0) continue;
    const Visit visit(file.get());
    if (!visit) continue;
    if (const auto cookie = current_cookie())
      add({.netns_cookie = *cookie,
           .netns = static_cast<std::uint32_t>(info.st_ino),
           .kind = Place::Kind::Mount},
          std::move(path));
  }
}

std::vector<Namespaces::Name> Namespaces::find() {
  ways_.clear();
  add_mounts();  // first: a mount is there to stay
  if (auto places = walks_.places_of_tasks())
    for (const Place& place : *places) add(place);
  if (auto places = walks_.places_of_files())
    for (const Place& place : *places) add(place);
  return known();
}

std::vector<Namespaces::Name> Namespaces::known() const {
  std::vector<Name> names;
  for (const auto& [cookie, ways] : ways_) names.push_back({cookie, ways.front().place.netns});
  return names;
}

bool Namespaces::enter(std::uint64_t cookie, const std::function<void()>& inside) {
  if (enter_known(cookie, inside)) return true;
  const Nanos now = monotonic_now();
  std::erase_if(closed_, [&](const auto& entry) { return entry.second + kStaysClosed < now; });
  if (closed_.contains(cookie)) return false;
  find();
  if (enter_known(cookie, inside)) return true;
  closed_[cookie] = now;
  return false;
}

std::map<std::uint64_t, Namespaces::Fate> Namespaces::fates(
    std::span<const std::uint64_t> cookies) {
  if (cookies.empty()) return {};
  auto missing = walks_.namespaces_gone(cookies);
  if (!missing) return {};
  const Nanos now = monotonic_now();
  std::erase_if(missing_, [&](const auto& entry) { return entry.second + kForgotten < now; });
  std::map<std::uint64_t, Fate> fates;
  for (const std::uint64_t cookie : *missing) {
    const Nanos since = missing_.try_emplace(cookie, now).first->second;
    fates[cookie] = since + kPurge <= now ? Fate::Gone : Fate::Going;
  }
  return fates;
}

bool Namespaces::enter_known(std::uint64_t cookie, const std::function<void()>& inside) {
  if (current_cookie() == cookie) {
    inside();
    return true;
  }
  const auto found = ways_.find(cookie);
  if (found == ways_.end()) return false;
  for (const Way& way : found->second) {
    const UniqueFd file = open_way(way.place, way.mount);
    if (!file || !is_network_namespace(file.get())) continue;
    const Visit visit(file.get());
    if (!visit || current_cookie() != cookie) continue;  // a number that was used again
    inside();
    return true;
  }
  return false;
}

std::map<std::uint32_t, std::string> mounted_namespaces() {
  std::map<std::uint32_t, std::string> mounted;
  for (auto& [inum, path] : namespace_mounts()) mounted.emplace(inum, std::move(path));
  return mounted;
}

}  // namespace tcpdwell
