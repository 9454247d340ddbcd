// SPDX-License-Identifier: Apache-2.0
#include "where/resolver_process.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "where/resolver.h"

namespace tcpdwell {
namespace {

// A bound for what a hostile file makes libdw allocate, besides what the child has from its parent.
constexpr rlim_t kMostMemory = 1U << 30U;

void limit(int resource, rlim_t to) {
  rlimit limits{};
  ::getrlimit(static_cast<__rlimit_resource>(resource), &limits);
  limits.rlim_cur = std::min(limits.rlim_max, to);
  ::setrlimit(static_cast<__rlimit_resource>(resource), &limits);
}

// Address space in use.
rlim_t memory_size() {
  unsigned long pages = 0;
  if (std::FILE* statm = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(statm, "%lu", &pages) != 1) pages = 0;
    std::fclose(statm);
  }
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

void close_all_but(int fd) {
  if (fd > 0) ::syscall(SYS_close_range, 0, fd - 1, 0);
  ::syscall(SYS_close_range, fd + 1, ~0U, 0);
}

bool write_all(int channel, std::string_view bytes) {
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::string framed(reinterpret_cast<const char*>(&size), sizeof size);
  framed += bytes;
  for (std::size_t sent = 0; sent < framed.size();) {
    const ssize_t got = ::send(channel, framed.data() + sent, framed.size() - sent, MSG_NOSIGNAL);
    if (got <= 0) return false;
    sent += static_cast<std::size_t>(got);
  }
  return true;
}

bool read_all(int channel, void* to, std::size_t size) {
  return size == 0 || ::recv(channel, to, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

std::string answer_to(const ResolverQuestion& question, Resolver& resolver) {
  if (const auto* python = std::get_if<PythonQuestion>(&question))
    return pack(resolver.find(*python));
  if (const auto* stacks = std::get_if<StacksQuestion>(&question))
    return pack(resolver.resolve(*stacks));
  return pack(resolver.resolve(std::get<ThreadsQuestion>(question)));
}

// Answers until the channel closes. An exception ends the child: its parent sees it as lost.
[[noreturn]] void serve(int channel, const std::string& symbols_directory) noexcept {
  ::prctl(PR_SET_NAME, "tcpdwell-where");
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_AS, memory_size() + kMostMemory);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) ::signal(signal, SIG_DFL);
  Resolver resolver(symbols_directory);
  std::uint32_t size = 0;
  while (read_all(channel, &size, sizeof size) && size <= kLargestMessage) {
    std::string bytes(size, '\0');
    if (!read_all(channel, bytes.data(), size)) break;
    const auto question = unpack_question(bytes);
    if (!question || !write_all(channel, answer_to(*question, resolver))) break;
  }
  ::_exit(0);
}

}  // namespace

bool ResolverProcess::start() {
  if (child_ > 0) return true;
  std::array<int, 2> ends{};
  if (lost_ >= kMostLost || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return false;
  UniqueFd ours(ends[0]), theirs(ends[1]);
  child_ = ::fork();
  if (child_ == 0) {
    close_all_but(theirs.get());
    serve(theirs.get(), symbols_directory_);
  }
  if (child_ > 0) channel_ = std::move(ours);
  return child_ > 0;
}

// A child that hangs in the kernel cannot be reaped; its next parent will.
void ResolverProcess::end() {
  constexpr int kTries = 100;
  channel_.reset();
  incoming_.clear();
  if (child_ <= 0) return;
  const pid_t child = std::exchange(child_, -1);
  ::kill(child, SIGKILL);
  for (int i = 0; i < kTries; ++i) {
    if (::waitpid(child, nullptr, WNOHANG) != 0) return;
    ::usleep(1000);
  }
}

// Keeps what has arrived of an answer for the next call.
ResolverProcess::Received ResolverProcess::receive(Clock::time_point until, std::string& answer) {
  std::uint32_t size = 0;
  while (true) {
    if (incoming_.size() >= sizeof size) {
      std::memcpy(&size, incoming_.data(), sizeof size);
      if (size > kLargestMessage) return Received::Damage;
      if (incoming_.size() == sizeof size + size) break;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    pollfd news{.fd = channel_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&news, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <= 0)
      return Received::Nothing;
    std::array<char, 4096> block{};
    const std::size_t wanted = sizeof size + size - incoming_.size();
    const ssize_t got =
        ::recv(channel_.get(), block.data(), std::min(block.size(), wanted), MSG_DONTWAIT);
    if (got <= 0) return Received::Damage;
    incoming_.append(block.data(), static_cast<std::size_t>(got));
  }
  answer = incoming_.substr(sizeof size);
  incoming_.clear();
  return Received::Answer;
}

void ResolverProcess::lose() {
  ++lost_;
  end();
}

// An earlier question may still keep the child busy. Drops its late answer.
bool ResolverProcess::is_busy(std::chrono::milliseconds patience) {
  if (!asked_) return false;
  std::string late;
  const Received received = receive(Clock::now() + patience, late);
  if (received == Received::Nothing && Clock::now() - *asked_ < kHangs) return true;
  if (received != Received::Answer) lose();
  asked_.reset();
  return false;
}

std::string ResolverProcess::exchange(const std::string& question,
                                      std::chrono::milliseconds patience, NoStack& missing) {
  missing = NoStack::Budget;
  if (is_busy(patience)) return {};
  missing = NoStack::Denied;
  if (!start() || !write_all(channel_.get(), question)) return {};
  std::string answer;
  const auto now = Clock::now();
  switch (receive(now + patience, answer)) {
    case Received::Nothing:
      asked_ = now;
      missing = NoStack::Budget;
      return {};
    case Received::Damage: lose(); return {};
    case Received::Answer: break;
  }
  missing = NoStack::None;
  return answer;
}

std::vector<ResolvedStack> ResolverProcess::ask_for_stacks(const std::string& question,
                                                           std::size_t count,
                                                           std::chrono::milliseconds patience) {
  NoStack missing = NoStack::None;
  auto stacks = unpack_stacks(exchange(question, patience, missing));
  if (missing == NoStack::None) {
    if (stacks && stacks->size() == count) return std::move(*stacks);
    lose();
    missing = NoStack::Denied;
  }
  return {count, ResolvedStack{.stack = {}, .missing = missing}};
}

std::vector<ResolvedStack> ResolverProcess::ask(const ThreadsQuestion& question,
                                                std::chrono::milliseconds patience) {
  return ask_for_stacks(pack(question), question.threads.size(), patience);
}

std::vector<ResolvedStack> ResolverProcess::ask(const StacksQuestion& question,
                                                std::chrono::milliseconds patience) {
  return ask_for_stacks(pack(question), question.snapshots.size(), patience);
}

std::optional<PythonPlace> ResolverProcess::ask(const PythonQuestion& question,
                                                std::chrono::milliseconds patience) {
  NoStack missing = NoStack::None;
  return unpack_python(exchange(pack(question), patience, missing));
}

}  // namespace tcpdwell
