// SPDX-License-Identifier: Apache-2.0
#include "session/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <system_error>

namespace tcpdwell {
namespace {

sigset_t signals_for(Signals::For purpose) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
  if (purpose == Signals::For::Trace) return set;
  // SIGWINCH: tells some servers to finish (nginx, httpd).
  for (const int number : {SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH}) sigaddset(&set, number);
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) sigaddset(&set, number);
  return set;
}

}  // namespace

Signals::Signals(For purpose) {
  const sigset_t set = signals_for(purpose);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  struct sigaction hang_up {};
  outlives_terminal_ = ::sigaction(SIGHUP, nullptr, &hang_up) == 0 && hang_up.sa_handler == SIG_IGN;
  fd_ = UniqueFd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd_)
    throw std::system_error(errno, std::generic_category(), "cannot wait for signals (signalfd)");
}

std::optional<Signal> Signals::take() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info))
    return std::nullopt;
  return Signal{.number = static_cast<int>(info.ssi_signo), .by_kernel = info.ssi_code > 0};
}

std::optional<int> Signals::next() {
  while (const auto signal = take()) {
    if (signal->number != SIGHUP || !signal->by_kernel) return signal->number;
    if (!outlives_terminal_) return SIGTERM;
  }
  return std::nullopt;
}

Kinship kinship_with(pid_t command) {
  return {.same_group = ::getpgid(command) == ::getpgrp(),
          .session_leader = ::getsid(0) == ::getpid()};
}

bool is_for_command(const Signal& signal, const Kinship& kinship) {
  if (!signal.by_kernel || !kinship.same_group) return true;
  switch (signal.number) {
    case SIGINT:
    case SIGQUIT:
    case SIGWINCH: return false;
    case SIGHUP: return kinship.session_leader;  // only the leader gets a hangup
    default: return true;  // ours alone: the alarm that was set for us and survived our exec
  }
}

}  // namespace tcpdwell
