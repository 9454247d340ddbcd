// SPDX-License-Identifier: Apache-2.0
// The process of `tcpdwell run -- CMD`: forked at once, but executed only after release(), so that
// it is marked for tracing before its first instruction.
// CMD inherits the environment of tcpdwell unchanged: signal mask and dispositions, process group,
// session and terminal, stdin, stdout and stderr, limits.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell {

// Exit statuses of `run` itself, as in env(1).
constexpr int kOwnFailure = 125, kNotExecutable = 126, kNotFound = 127;

struct ExecFailure {
  int status = kOwnFailure;
  Error error;
};

class Command {
 public:
  // Call it first, before any thread exists and before Signals or limits change: later changes do
  // not reach CMD. `user` empty: the current user.
  static Result<Command> fork(const std::vector<std::string>& argv, const std::string& user = {});

  Command(Command&&) noexcept = default;
  Command& operator=(Command&&) = delete;
  // Kills the child if it was not released. A released CMD lives on.
  ~Command();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable once CMD has ended

  // Executes CMD. Call it once. nullopt: CMD runs, or was killed first.
  std::optional<ExecFailure> release();
  // 0 to 255, or 128+N for a signal; nullopt while CMD runs. Never blocks.
  std::optional<int> status();
  // No effect if CMD has ended.
  void forward(int signal);

 private:
  Command(pid_t pid, UniqueFd pidfd, UniqueFd channel, std::string name, std::string user)
      : pid_(pid),
        pidfd_(std::move(pidfd)),
        channel_(std::move(channel)),
        name_(std::move(name)),
        user_(std::move(user)) {}

  pid_t pid_;
  UniqueFd pidfd_;
  UniqueFd channel_;  // to the waiting child; closed once it is released
  std::string name_, user_;
  std::optional<int> status_;
};

// Redirects stdin and stdout to /dev/null. They belong to CMD: if we held them, too, the readers
// and writers of CMD would not see it close them.
void give_away_stdin_and_stdout();

}  // namespace tcpdwell
