// SPDX-License-Identifier: Apache-2.0
#include "kernel/netns_files.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "kernel/losable_child.h"

namespace tcpdwell {
namespace {

// FD_NSFS_ROOT, FILEID_NSFS and struct nsfs_file_handle of 6.18.
constexpr int kNsfsRoot = -10003;
constexpr int kFileidNsfs = 0xf1;
struct NsfsHandle {
  std::uint64_t id;
  std::uint32_t type;
  std::uint32_t inum;
};
static_assert(sizeof(NsfsHandle) == 16);

std::string link_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// Reads a link of /proc: the kernel makes the text without the target's file system. Files of other
// file systems have a path, which begins with '/' or "(unreachable)"; so has a namespace opened
// through a mount.
bool names_netns(const std::string& link) {
  constexpr std::string_view kBegin = "net:[";
  std::array<char, 64> text{};
  const ssize_t size = ::readlink(link.c_str(), text.data(), text.size());
  return size > 0 &&
         std::string_view(text.data(), static_cast<std::size_t>(size)).starts_with(kBegin);
}

// Uses cached attributes only: fstat() could wait for a FUSE or NFS server for ever.
std::optional<std::pair<unsigned, unsigned>> device_of(int fd, const char* path) {
  struct statx info {};
  if (::statx(fd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &info) != 0) return std::nullopt;
  return std::pair{info.stx_dev_major, info.stx_dev_minor};
}

// Namespaces are all files of one device, and the only ones.
bool is_namespace(int fd) {
  const auto device = device_of(fd, "");
  return device && device == device_of(AT_FDCWD, "/proc/self/ns/net");
}

// `found` was opened with O_PATH, which has no effects. Its file cannot change any more.
UniqueFd open_if_netns(const UniqueFd& found) {
  if (!found) return UniqueFd{};
  if (is_namespace(found.get())) {
    UniqueFd file(
        ::open(link_of(found.get()).c_str(), O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!file || ::ioctl(file.get(), NS_GET_NSTYPE) == CLONE_NEWNET) return file;
  }
  errno = EINVAL;
  return UniqueFd{};
}

// ENOTSOCK comes from the kernel itself, without a call into the file.
bool is_socket(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0;
}

}  // namespace

UniqueFd open_netns(std::uint64_t cookie, std::uint32_t inum) {
  const NsfsHandle id{.id = cookie, .type = CLONE_NEWNET, .inum = inum};
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + sizeof id> raw{};
  auto* handle = reinterpret_cast<file_handle*>(raw.data());
  handle->handle_bytes = sizeof id;
  handle->handle_type = kFileidNsfs;
  std::memcpy(handle->f_handle, &id, sizeof id);
  return UniqueFd(::open_by_handle_at(kNsfsRoot, handle, O_RDONLY | O_CLOEXEC));
}

// No namespace has the cookie 0: a kernel with this feature returns ESTALE.
bool can_open_netns_by_cookie() { return !open_netns(0, 0) && errno == ESTALE; }

UniqueFd open_netns_of_thread(std::uint32_t tid) {
  const std::string path = "/proc/" + std::to_string(tid) + "/ns/net";
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC));
}

// Check the text first: following a link to an NFS file may wait for its server, even with O_PATH.
UniqueFd open_netns_of_descriptor(std::uint32_t pid, int fd) {
  const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
  if (!names_netns(link)) return UniqueFd{};
  return open_if_netns(UniqueFd(::open(link.c_str(), O_PATH | O_CLOEXEC)));
}

// pidfd_getfd() returns the current file of the descriptor; closing a FUSE file may hang.
UniqueFd open_netns_of_socket(std::uint32_t pid, int fd) {
  auto answered = ask_child([pid, fd](int channel) {
    const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    const int file = static_cast<int>(::syscall(SYS_pidfd_getfd, process, fd, 0));
    if (file < 0 || !is_socket(file)) return;
    if (const int netns = ::ioctl(file, SIOCGSKNS); netns >= 0) answer(channel, 0, netns);
  });
  return answered ? std::move(answered->fd) : UniqueFd{};
}

// All directories above a mount are in the dentry cache: RESOLVE_CACHED avoids calls into file
// systems.
UniqueFd open_netns_mount(const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_CACHED | RESOLVE_NO_MAGICLINKS;
  return open_if_netns(
      UniqueFd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how))));
}

UniqueFd open_netns_path(const std::string& path) {
  return open_if_netns(UniqueFd(::open(path.c_str(), O_PATH | O_CLOEXEC)));
}

}  // namespace tcpdwell
