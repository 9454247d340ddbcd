// SPDX-License-Identifier: Apache-2.0
// Which signals become something to read, where they come from, and which are CMD's.
#include "session/signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <initializer_list>

namespace tcpdwell {
namespace {

// Mask, dispositions and pending signals are a process's: each of these runs in one of its own.
// 0: what was expected was found; else the number of the expectation that was not.
int in_a_fork(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(Signals, KillIsReadWithItsOrigin) {
  EXPECT_EQ(in_a_fork([] {
              Signals signals(Signals::For::Run);
              if (signals.take()) return 1;
              for (const int number : {SIGINT, SIGQUIT, SIGUSR1, SIGWINCH, SIGRTMIN}) {
                ::kill(::getpid(), number);
                const auto got = signals.take();
                if (!got || got->number != number || got->by_kernel) return number;
              }
              return 0;
            }),
            0);
}

TEST(Signals, AlarmCountsAsKernelSignal) {
  EXPECT_EQ(in_a_fork([] {
              Signals signals(Signals::For::Run);
              ::ualarm(1000, 0);
              std::optional<Signal> got;
              while (!(got = signals.take())) ::usleep(1000);
              return got->number == SIGALRM && got->by_kernel ? 0 : 1;
            }),
            0);
}

TEST(Signals, TraceReadsThreeSignalsEvenIfIgnored) {
  EXPECT_EQ(in_a_fork([] {
              ::signal(SIGINT, SIG_IGN);
              Signals signals;
              for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
                ::kill(::getpid(), number);
                if (signals.next() != number) return number;
              }
              ::kill(::getpid(), SIGUSR1);
              return 0;
            }),
            128 + SIGUSR1);
}

TEST(Signals, JobControlIsLeftAlone) {
  EXPECT_EQ(in_a_fork([] {
              const Signals signals(Signals::For::Run);
              sigset_t blocked;
              ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
              for (const int number : {SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGCHLD})
                if (sigismember(&blocked, number)) return number;
              return 0;
            }),
            0);
}

TEST(IsForCommand, SignalsSentToUs) {
  for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGWINCH, SIGRTMIN})
    EXPECT_TRUE(is_for_command({.number = number, .by_kernel = false}, {})) << number;
}

TEST(IsForCommand, NotTerminalSignalsToBoth) {
  for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGWINCH})
    EXPECT_FALSE(is_for_command({.number = number, .by_kernel = true}, {})) << number;
}

TEST(IsForCommand, TerminalSignalsIfCommandLeftTheGroup) {
  for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGWINCH})
    EXPECT_TRUE(is_for_command({.number = number, .by_kernel = true}, {.same_group = false}));
}

TEST(IsForCommand, AHangUpIfWeLeadTheSession) {
  const Kinship leader{.same_group = true, .session_leader = true};
  EXPECT_TRUE(is_for_command({.number = SIGHUP, .by_kernel = true}, leader));
  EXPECT_FALSE(is_for_command({.number = SIGINT, .by_kernel = true}, leader));
}

TEST(IsForCommand, AnAlarmThatWasSetForUs) {
  EXPECT_TRUE(is_for_command({.number = SIGALRM, .by_kernel = true}, {}));
}

TEST(Kinship, IsReadFromTheSystem) {
  EXPECT_TRUE(kinship_with(::getpid()).same_group);
  EXPECT_EQ(kinship_with(::getpid()).session_leader, ::getsid(0) == ::getpid());
  EXPECT_EQ(in_a_fork([] {
              const pid_t parent = ::getppid();
              ::setsid();
              const Kinship kinship = kinship_with(parent);
              return !kinship.same_group && kinship.session_leader ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace tcpdwell
