// SPDX-License-Identifier: Apache-2.0
#include "kernel/namespaces.h"

#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/mountinfo.h"
#include "kernel/netns_files.h"
#include "kernel/programs.h"

namespace tcpdwell {
namespace {

constexpr Nanos kStaysClosed = std::chrono::seconds{10};  // after a failure to enter
// A kernel worker purges the minisocks of a namespace tens of milliseconds after it has left the
// list; later if many go at once.
constexpr Nanos kPurge = std::chrono::seconds{2};
constexpr Nanos kForgotten = std::chrono::minutes{1};
constexpr std::size_t kMostWays = 4;  // spare references: a process may be gone when it is needed

// The cookie of the calling thread's namespace (since 5.14).
std::optional<std::uint64_t> current_cookie() {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (!probe || ::getsockopt(probe.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
    return std::nullopt;
  return cookie;
}

// The inode number of the mounted network namespace.
std::optional<std::uint32_t> netns_of(const Mount& mount) {
  constexpr std::string_view kPrefix = "net:[";
  const std::string_view root = mount.root;
  std::uint32_t inum = 0;
  if (!root.starts_with(kPrefix)) return std::nullopt;
  const char* digits = root.data() + kPrefix.size();
  if (std::from_chars(digits, root.data() + root.size(), inum).ec != std::errc{})
    return std::nullopt;
  return inum;
}

// Keeps the calling thread in the namespace of `fd`.
class Visit {
 public:
  explicit Visit(int fd)
      : home_(open_netns_of_thread(static_cast<std::uint32_t>(::gettid()))),
        away_(home_ && ::setns(fd, CLONE_NEWNET) == 0) {}
  ~Visit() {
    if (away_ && ::setns(home_.get(), CLONE_NEWNET) != 0)
      ::abort();  // all later answers would be of a wrong namespace
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  explicit operator bool() const { return away_; }

 private:
  UniqueFd home_;
  bool away_;
};

UniqueFd open_way(const NetnsRef& place, const std::string& mount) {
  switch (place.kind) {
    case NetnsRef::Kind::Task: return open_netns_of_thread(place.tid);
    case NetnsRef::Kind::File: return open_netns_of_descriptor(place.tid, place.fd);
    case NetnsRef::Kind::Socket: return open_netns_of_socket(place.tid, place.fd);
    case NetnsRef::Kind::Mount: return open_netns_mount(mount);
    case NetnsRef::Kind::InList:
    case NetnsRef::Kind::EndOfList: break;
  }
  return UniqueFd{};
}

// False: `netns` is another namespace. A number, a path or a descriptor may refer to a new one by
// now.
bool visit(const UniqueFd& netns, std::uint64_t cookie, const std::function<void()>& inside) {
  if (!netns) return false;
  const Visit visit(netns.get());
  if (!visit || current_cookie() != cookie) return false;
  inside();
  return true;
}

}  // namespace

Namespaces::Namespaces(BpfIterators& iterators)
    : iterators_(iterators), by_cookie_(can_open_netns_by_cookie()) {}

void Namespaces::add(const NetnsRef& place, std::string mount) {
  auto& ways = ways_[place.netns_cookie];
  if (ways.size() < kMostWays) ways.push_back({place, std::move(mount)});
}

// A bind mount keeps a namespace alive (`ip netns`, container runtimes).
void Namespaces::add_mounts() {
  for (Mount& mount : our_mounts()) {
    if (!netns_of(mount)) continue;
    const UniqueFd file = open_netns_mount(mount.path);
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0) continue;
    const Visit there(file.get());
    if (!there) continue;
    if (const auto cookie = current_cookie())
      add({.netns_cookie = *cookie,
           .netns = static_cast<std::uint32_t>(info.st_ino),
           .kind = NetnsRef::Kind::Mount},
          std::move(mount.path));
  }
}

std::vector<Namespaces::Name> Namespaces::find() {
  ways_.clear();
  add_mounts();  // first: mounts last the longest
  if (auto places = iterators_.netns_of_tasks())
    for (const NetnsRef& place : *places) add(place);
  if (auto places = iterators_.netns_of_files())
    for (const NetnsRef& place : *places) add(place);
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
  auto missing = iterators_.namespaces_gone(cookies);
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
  // Linux 7.3 cannot always open by cookie a namespace that only sockets hold; 6.18 can.
  if (by_cookie_ && visit(open_netns(cookie, found->second.front().place.netns), cookie, inside))
    return true;
  return std::any_of(found->second.begin(), found->second.end(), [&](const Way& way) {
    return visit(open_way(way.place, way.mount), cookie, inside);
  });
}

std::optional<std::uint64_t> cookie_of_netns(const UniqueFd& netns) {
  const Visit there(netns.get());
  return there ? current_cookie() : std::nullopt;
}

std::map<std::uint32_t, std::string> mounted_namespaces() {
  std::map<std::uint32_t, std::string> mounted;
  for (Mount& mount : our_mounts())
    if (const auto inum = netns_of(mount)) mounted.emplace(*inum, std::move(mount.path));
  return mounted;
}

}  // namespace tcpdwell
