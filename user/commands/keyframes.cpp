// SPDX-License-Identifier: Apache-2.0
#include "commands/keyframes.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace tcpdwell {
namespace {

constexpr std::size_t kLongest = 64U << 10U;  // question or answer

// The first byte makes an empty text differ from the end of the socket.
bool send_text(int socket, const std::string& text) {
  const std::string message = '.' + text;
  return ::send(socket, message.data(), message.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(message.size());
}

std::optional<std::string> receive_text(int socket) {
  std::string text(kLongest, '\0');
  ssize_t size = 0;
  while ((size = ::recv(socket, text.data(), text.size(), 0)) < 0 && errno == EINTR) continue;
  if (size <= 0) return std::nullopt;
  return text.substr(1, static_cast<std::size_t>(size) - 1);
}

int wait_for(pid_t pid) {
  int status = -1;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

}  // namespace

void Keyframes::wait_to_be_asked(int socket, const Continue& proceed) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (const auto question = receive_text(socket)) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const bool sent = send_text(socket, proceed(*question, socket));
      ::_exit(sent ? 0 : 1);
    }
    // A child that failed has sent nothing: its asker would wait for ever.
    if (child < 0 || wait_for(child) != 0) ::_exit(1);
  }
  ::_exit(0);
}

bool Keyframes::keep(const When& when, const Continue& proceed) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return false;
  UniqueFd ours(ends[0]), theirs(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) {
    // A socket of another keyframe would stay open here, and that one would never end.
    for (Frame& frame : frames_) frame.socket = UniqueFd();
    frames_.clear();
    ours = UniqueFd();
    wait_to_be_asked(theirs.get(), proceed);
  }
  frames_.push_back({when, std::move(ours), pid});
  return true;
}

void Keyframes::thin_out() {
  std::vector<Frame> kept;
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    if (i % 2 == 0) {
      kept.push_back(std::move(frames_[i]));
      continue;
    }
    frames_[i].socket = UniqueFd();
    wait_for(frames_[i].pid);
  }
  frames_ = std::move(kept);
}

bool Keyframes::ask(std::size_t frame, const std::string& question) const {
  return send_text(frames_[frame].socket.get(), question);
}

std::optional<std::string> Keyframes::answer(std::size_t frame) const {
  return receive_text(frames_[frame].socket.get());
}

void Keyframes::clear() {
  for (Frame& frame : frames_) frame.socket = UniqueFd();
  for (const Frame& frame : frames_) wait_for(frame.pid);
  frames_.clear();
}

}  // namespace tcpdwell
