// SPDX-License-Identifier: Apache-2.0
#include "kernel/losable_child.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>

namespace tcpdwell {
namespace {

constexpr int kPatience = 1000;     // ms
constexpr int kLastPatience = 100;  // ms, for its end
constexpr unsigned kMostLost = 16;  // each keeps a pid, and copies of pages that we changed since

std::atomic<unsigned> lost = 0;

struct Message {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr head{};
  Message() {
    head.msg_iov = &data;
    head.msg_iovlen = 1;
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  void have_room_for_fd() {
    head.msg_control = control.data();
    head.msg_controllen = control.size();
  }
};

// Our end must not block on a child that hangs.
void close_all_but(int fd) {
  if (fd > 0) ::syscall(SYS_close_range, 0, fd - 1, 0);
  ::syscall(SYS_close_range, fd + 1, ~0U, 0);
}

std::optional<ChildAnswer> receive(int channel) {
  pollfd news{.fd = channel, .events = POLLIN, .revents = 0};
  Message message;
  message.have_room_for_fd();
  if (::poll(&news, 1, kPatience) != 1 ||
      ::recvmsg(channel, &message.head, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
    return std::nullopt;
  int fd = -1;
  const cmsghdr* control = CMSG_FIRSTHDR(&message.head);
  if (control != nullptr && control->cmsg_type == SCM_RIGHTS)
    std::memcpy(&fd, CMSG_DATA(control), sizeof fd);
  return ChildAnswer{.byte = message.byte, .fd = UniqueFd(fd)};
}

// Reaps the child. If it hangs, its next parent will reap it.
void reap(pid_t child) {
  ::kill(child, SIGKILL);
  for (int i = 0; i < kLastPatience; ++i) {
    if (::waitpid(child, nullptr, WNOHANG) != 0) return;
    ::usleep(1000);
  }
  ++lost;
}

}  // namespace

void answer(int channel, char byte, int fd) {
  Message message;
  message.byte = byte;
  if (fd >= 0) {
    message.have_room_for_fd();
    cmsghdr* control = CMSG_FIRSTHDR(&message.head);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(control), &fd, sizeof fd);
  }
  ::sendmsg(channel, &message.head, MSG_NOSIGNAL);
}

std::optional<ChildAnswer> ask_child(const std::function<void(int channel)>& job) {
  std::array<int, 2> ends{};
  if (lost >= kMostLost || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return std::nullopt;
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    close_all_but(theirs.get());
    job(theirs.get());
    ::_exit(0);
  }
  theirs.reset();
  if (child < 0) return std::nullopt;
  auto got = receive(ours.get());
  reap(child);
  return got;
}

}  // namespace tcpdwell
