// SPDX-License-Identifier: Apache-2.0
#include "top/terminal.h"

#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <utility>

namespace tcpdwell::top {
namespace {

// Alternate screen, no cursor, no wrap at the end of a line.
constexpr std::string_view kEnter = "\033[?1049h\033[?25l\033[?7l";
// ST ends a sequence that was cut off.
constexpr std::string_view kLeave = "\033\\\033[0m\033[?7h\033[?25h\033[?1049l";

// A signal handler takes no arguments.
std::atomic<bool> on_screen{false};
termios before;
std::terminate_handler terminate_before = nullptr;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Safe in a signal handler. A frame that the terminal has not taken yet is dropped: it may be
// stopped by Ctrl-S.
void restore() {
  if (!on_screen.exchange(false)) return;
  const int saved = errno;
  // From the background, tcsetattr() would stop this process.
  struct sigaction ignore {};
  struct sigaction old {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGTTOU, &ignore, &old);
  ::tcflush(STDOUT_FILENO, TCOFLUSH);
  ::tcflow(STDOUT_FILENO, TCOON);
  write_all(kLeave);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
  ::sigaction(SIGTTOU, &old, nullptr);
  errno = saved;
}

void restore_and_die(int signal) {
  restore();
  ::raise(signal);  // SA_RESETHAND: its default action follows
}

// Signals that end a process by default. Those of Signals are blocked; SIGPIPE is ignored.
bool ends_process(int signal) {
  switch (signal) {
    case SIGKILL:
    case SIGSTOP:
    case SIGCHLD:
    case SIGCONT:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGURG:
    case SIGWINCH:
    case SIGPIPE: return false;
    default: return true;
  }
}

// A stack overflow leaves no room for a handler on the same stack.
void use_signal_stack() {
  static std::array<std::byte, 64U << 10U> stack;
  stack_t other{};
  other.ss_sp = stack.data();
  other.ss_size = stack.size();
  ::sigaltstack(&other, nullptr);
}

void catch_ends() {
  use_signal_stack();
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction old {};
    if (!ends_process(signal) || ::sigaction(signal, nullptr, &old) != 0) continue;
    if (old.sa_handler != SIG_DFL) continue;
    struct sigaction action {};
    action.sa_handler = restore_and_die;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER | SA_ONSTACK);
    ::sigaction(signal, &action, nullptr);
  }
  terminate_before = std::set_terminate([] {
    restore();
    if (terminate_before != nullptr) terminate_before();
    std::abort();
  });
}

void go_raw() {
  termios raw = before;
  ::cfmakeraw(&raw);
  raw.c_oflag |= OPOST;  // what others write to the terminal
  raw.c_cc[VMIN] = 0;    // read() does not wait
  raw.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

}  // namespace

Result<Terminal> Terminal::open() {
  for (const auto& [fd, name] : {std::pair{STDIN_FILENO, "input"}, {STDOUT_FILENO, "output"}})
    if (::isatty(fd) == 0)
      return Error{std::string("top needs a terminal, and standard ") + name + " is none",
                   {},
                   "For a script: tcpdwell leaks, or tcpdwell stats"};
  const char* term = std::getenv("TERM");
  if (term == nullptr || std::string_view(term).empty() || std::string_view(term) == "dumb")
    return Error{"top cannot draw on this terminal (TERM is \"dumb\" or not set)",
                 {},
                 "Use tcpdwell leaks, or tcpdwell stats"};
  if (::tcgetattr(STDIN_FILENO, &before) != 0)
    return system_error("reading the modes of the terminal (tcgetattr)");
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGWINCH, SIGTSTP, SIGCONT}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd changes(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!changes) return system_error("watching the size of the terminal (signalfd)");
  return Terminal(std::move(changes));
}

Terminal::Terminal(Terminal&& other) noexcept
    : changes_(std::move(other.changes_)), owner_(std::exchange(other.owner_, false)) {}

bool Terminal::entered() const { return on_screen; }

void Terminal::enter() {
  static const bool caught = (catch_ends(), true);
  static_cast<void>(caught);
  if (!on_screen.exchange(true)) write_all(kEnter);
  go_raw();
}

void Terminal::leave() {
  if (owner_) restore();
}

Size Terminal::size() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
    return {};
  return {std::min<int>(size.ws_col, 1000), std::min<int>(size.ws_row, 1000)};
}

int Terminal::input() const { return STDIN_FILENO; }

Terminal::Change Terminal::take_changes() {
  Change change;
  signalfd_siginfo info{};
  while (::read(changes_.get(), &info, sizeof info) == sizeof info) {
    change.size = change.size || info.ssi_signo == SIGWINCH;
    change.suspend = change.suspend || info.ssi_signo == SIGTSTP;
    change.resumed = change.resumed || info.ssi_signo == SIGCONT;
  }
  return change;
}

void Terminal::suspend() {
  leave();
  ::kill(0, SIGSTOP);  // the whole job, as the terminal would
  enter();
}

std::optional<std::string> Terminal::read() {
  pollfd ready{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  std::string all;
  while (::poll(&ready, 1, 0) > 0) {
    std::array<char, 4096> bytes{};
    const ssize_t count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    // Readable without bytes: the other end of the terminal is gone.
    if (count <= 0) return std::nullopt;
    all.append(bytes.data(), static_cast<std::size_t>(count));
    if (all.size() >= bytes.size()) break;
  }
  return all;
}

}  // namespace tcpdwell::top
