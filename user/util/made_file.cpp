// SPDX-License-Identifier: Apache-2.0
#include "util/made_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <optional>
#include <string_view>
#include <utility>

namespace tcpdwell {
namespace {

constexpr int kMostLinks = 40;  // MAXSYMLINKS of the kernel
constexpr int kTries = 8;       // if another process keeps creating and removing the name

// The location of a file: its directory, and its name in it.
struct Location {
  UniqueFd directory;
  std::string name;
  bool shared = false;     // others can write to the directory
  uid_t owner = 0;         // of the directory
  bool by_kernel = false;  // a magic link of /proc (as /dev/stdout): one of our own descriptors
};

bool is_shared(const struct stat& directory) {
  const bool ours = directory.st_uid == 0 || directory.st_uid == ::geteuid();
  return !ours || (directory.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

bool is_proc(int fd) {
  struct statfs info {};
  return ::fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

std::optional<std::string> target_of(int link) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size = ::readlinkat(link, "", text.data(), text.size());
  if (size <= 0 || size == static_cast<ssize_t>(text.size())) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

std::string take_name(std::string& path) {
  path.erase(0, path.find_first_not_of('/'));
  const auto end = std::min(path.find('/'), path.size());
  std::string name = path.substr(0, end);
  path.erase(0, end);
  return name;
}

bool is_last(const std::string& rest) { return rest.find_first_not_of('/') == rest.npos; }

// Resolves a path name by name, so that each symbolic link is checked before it is followed.
// `follow`: the last name may be a link, too.
class PathWalk {
 public:
  explicit PathWalk(bool follow) : follow_(follow) {}

  // nullopt: failed; errno is set, and hint() is not empty if there is more to say.
  std::optional<Location> to(std::string path) {
    rest_ = std::move(path);
    if (!start()) return std::nullopt;
    while (true) {
      const std::string name = take_name(rest_);
      if (name.empty()) {
        errno = EISDIR;
        return std::nullopt;
      }
      const bool last = is_last(rest_) && (rest_.empty() || rest_[0] != '/');
      UniqueFd next(
          ::openat(location_.directory.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      struct stat info {};
      const bool there = next && ::fstat(next.get(), &info) == 0;
      if (there && S_ISLNK(info.st_mode) && (follow_ || !last)) {
        if (!is_proc(location_.directory.get())) {
          if (!follow_link(next.get())) return std::nullopt;
          continue;
        }
        location_.by_kernel = last;
        if (!last)
          next = UniqueFd(
              ::openat(location_.directory.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      }
      if (last) {
        location_.name = name;
        return std::move(location_);
      }
      if (!next || !enter(std::move(next))) return std::nullopt;
    }
  }

  const std::string& hint() const { return hint_; }

 private:
  bool start() {
    const bool from_root = !rest_.empty() && rest_[0] == '/';
    return enter(UniqueFd(::open(from_root ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC)));
  }

  bool enter(UniqueFd directory) {
    struct stat info {};
    if (!directory || ::fstat(directory.get(), &info) != 0) return false;
    if (!S_ISDIR(info.st_mode)) {
      errno = ENOTDIR;
      return false;
    }
    location_.directory = std::move(directory);
    location_.shared = is_shared(info);
    location_.owner = info.st_uid;
    return true;
  }

  bool follow_link(int link) {
    const auto target = target_of(link);
    errno = ELOOP;
    if (location_.shared)
      hint_ =
          "It is a symbolic link in a directory that others can write to: name its target instead";
    if (location_.shared || !target || ++links_ > kMostLinks) return false;
    rest_ = *target + rest_;
    return (*target)[0] != '/' || start();
  }

  const bool follow_;
  std::string rest_;
  Location location_;
  int links_ = 0;
  std::string hint_;
};

// The reason not to write to a file. nullopt: none.
std::optional<std::string> reason_to_refuse(const struct stat& info, const Location& location,
                                            Opening opening, const FilePolicy& policy) {
  const auto& used = policy.in_use;
  if (std::find(used.begin(), used.end(), id_of(info)) != used.end())
    return "it is being read, or another option writes to it: choose another name";
  if (opening == Opening::Exclusive && !S_ISREG(info.st_mode))
    return "it is not a regular file: choose another name";
  if (S_ISREG(info.st_mode) && info.st_nlink > 1 &&
      (location.shared || opening == Opening::Exclusive))
    return "it has more than one hard link: choose another name";
  const bool trusted =
      info.st_uid == 0 || info.st_uid == ::geteuid() || info.st_uid == location.owner;
  if (location.shared && !location.by_kernel && !trusted)
    return "it belongs to another user, in a directory that others can write to: choose another "
           "directory";
  return std::nullopt;
}

struct Opened {
  UniqueFd file;
  bool made = false;
};

// O_CREAT only with O_EXCL: otherwise a file planted in the meantime would be opened unchecked.
Opened open_at(const Location& location, Opening opening, const FilePolicy& policy) {
  const int flags = O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC |
                    (opening == Opening::Emptied ? 0 : O_NONBLOCK) |
                    (location.by_kernel ? 0 : O_NOFOLLOW);
  const auto open = [&](int more) {
    return UniqueFd(
        ::openat(location.directory.get(), location.name.c_str(), flags | more, policy.mode));
  };
  for (int i = 0; i < kTries; ++i) {
    if (UniqueFd old = open(0); old || errno != ENOENT) return {std::move(old), false};
    if (UniqueFd made = open(O_CREAT | O_EXCL); made || errno != EEXIST)
      return {std::move(made), true};
  }
  return {};
}

bool prepare(const Opened& opened, const struct stat& info, Opening opening,
             const FilePolicy& policy) {
  const int fd = opened.file.get();
  if (opening == Opening::Exclusive && ::flock(fd, LOCK_EX | LOCK_NB) != 0) return false;
  const bool whole = S_ISREG(info.st_mode);
  if (whole && (opened.made || opening == Opening::Exclusive) && ::fchmod(fd, policy.mode) != 0)
    return false;
  if (whole && opening != Opening::Continued && ::ftruncate(fd, 0) != 0) return false;
  return ::fcntl(fd, F_SETFL, O_APPEND) == 0;
}

}  // namespace

Result<UniqueFd> make_file(const std::string& path, Opening opening, const FilePolicy& policy,
                           const std::string& doing) {
  PathWalk walk(opening != Opening::Exclusive);
  const auto location = walk.to(path);
  if (!location) return system_error(doing, 0, walk.hint());
  const auto refuse = [&](const std::string& why) { return Error{doing + ": " + why, {}, {}}; };
  // Check by name first: opening a FIFO can block.
  struct stat info {};
  if (::fstatat(location->directory.get(), location->name.c_str(), &info,
                location->by_kernel ? 0 : AT_SYMLINK_NOFOLLOW) == 0 &&
      !S_ISLNK(info.st_mode))
    if (const auto why = reason_to_refuse(info, *location, opening, policy)) return refuse(*why);
  Opened opened = open_at(*location, opening, policy);
  if (!opened.file)
    return system_error(doing, 0,
                        errno == ELOOP ? "It is a symbolic link: name its target instead" : "");
  if (::fstat(opened.file.get(), &info) != 0) return system_error(doing);
  if (const auto why = reason_to_refuse(info, *location, opening, policy)) return refuse(*why);
  if (!prepare(opened, info, opening, policy))
    return errno == EWOULDBLOCK ? refuse("another process records to it: choose another name")
                                : system_error(doing);
  return std::move(opened.file);
}

}  // namespace tcpdwell
