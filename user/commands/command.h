// SPDX-License-Identifier: Apache-2.0
// The process of `tcpdwell run -- CMD`: forked at once, executed only after release(), so that it
// can be marked for tracing before its first instruction.
//
// CMD gets what tcpdwell itself was given and nothing of tcpdwell's own: signal mask and
// dispositions, process group, session and terminal, stdin, stdout and stderr, limits.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell {

// tcpdwell's own exit statuses of `run`, as env(1) has them.
constexpr int kOwnFailure = 125, kNotExecutable = 126, kNotFound = 127;

struct ExecFailure {
  int status = kOwnFailure;
  Error error;
};

class Command {
 public:
  // Call it first of all, before there is any thread, and before Signals or a limit is set: what
  // tcpdwell changes of itself afterwards does not reach CMD. `user` empty: whoever we are.
  static Result<Command> fork(const std::vector<std::string>& argv, const std::string& user = {});

  Command(Command&&) noexcept = default;
  Command& operator=(Command&&) = delete;
  // Never released: the child goes away, nothing was executed. Released: CMD lives on.
  ~Command();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable once it ended

  // Lets it execute; once. nullopt: it runs, or somebody killed it first.
  std::optional<ExecFailure> release();
  // 0..255, or 128+N for a signal; nullopt while it runs. Never blocks.
  std::optional<int> status();
  // Nothing happens if it has ended.
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

// stdin and stdout become /dev/null. They are CMD's: while we hold them, too, whoever reads what
// CMD writes sees no end of it when CMD closes it, and whoever writes to CMD no broken pipe.
void give_away_stdin_and_stdout();

}  // namespace tcpdwell
