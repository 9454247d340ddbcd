// SPDX-License-Identifier: Apache-2.0
#include "commands/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "options/identity.h"

namespace tcpdwell {
namespace {

// Sent by the child if it cannot execute CMD.
struct Failure {
  enum Step : int { Identity, Exec } step;
  int code;
};

// Everything that the child needs, prepared before the fork.
struct Plan {
  std::vector<std::string> argv;
  std::optional<Identity> identity;
  std::vector<std::string> environment;
  struct sigaction on_child_end;  // as inherited
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> all;
  for (const std::string& text : strings) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

[[noreturn]] void give_up(int channel, Failure failure) {
  ::send(channel, &failure, sizeof failure, MSG_NOSIGNAL);
  ::_exit(kOwnFailure);
}

// Exec closes the channel, which reports success to the parent.
[[noreturn]] void wait_and_execute(const Plan& plan, int channel) {
  ::sigaction(SIGCHLD, &plan.on_child_end, nullptr);
  ::prctl(PR_SET_PDEATHSIG,
          SIGKILL);  // if the parent died before this, recv() sees the end of the channel
  char go = 0;
  ssize_t got = 0;
  while ((got = ::recv(channel, &go, 1, 0)) < 0 && errno == EINTR) continue;
  if (got != 1) ::_exit(kOwnFailure);
  ::prctl(PR_SET_PDEATHSIG, 0);  // it survives exec, and CMD may outlive us
  if (plan.identity && !plan.identity->assume()) give_up(channel, {Failure::Identity, errno});
  ::execvpe(plan.argv[0].c_str(), pointers(plan.argv).data(), pointers(plan.environment).data());
  give_up(channel, {Failure::Exec, errno});
}

Result<Plan> make_plan(const std::vector<std::string>& argv, const std::string& user) {
  if (argv.empty()) return Error{"no command to run", {}, {}};
  Plan plan{.argv = argv, .identity = {}, .environment = {}, .on_child_end = {}};
  for (char** entry = environ; *entry; ++entry) plan.environment.emplace_back(*entry);
  if (user.empty()) return plan;
  auto identity = find_identity(user);
  if (!identity) return identity.error();
  plan.environment = identity->adapt(std::move(plan.environment));
  plan.identity = std::move(*identity);
  return plan;
}

ExecFailure explain(const Failure& failure, const std::string& name, const std::string& user) {
  Error error{name, {failure.code, std::generic_category()}, {}};
  if (failure.step == Failure::Identity) {
    error.doing = "becoming user " + user;
    if (failure.code == EPERM) error.hint = "Run tcpdwell as root, or omit --user";
    return {kOwnFailure, std::move(error)};
  }
  const bool is_path = name.find('/') != std::string::npos;
  if (failure.code == ENOENT && is_path && ::access(name.c_str(), F_OK) == 0)
    error.hint =
        "The file exists, but its interpreter or loader does not: see its first line, or file(1)";
  // execvpe() skips a PATH entry that is not a directory, but may leave its error behind.
  const bool absent = failure.code == ENOENT || (failure.code == ENOTDIR && !is_path);
  return {absent ? kNotFound : kNotExecutable, std::move(error)};
}

}  // namespace

Result<Command> Command::fork(const std::vector<std::string>& argv, const std::string& user) {
  auto plan = make_plan(argv, user);
  if (!plan) return plan.error();
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return system_error("making a channel to the command");
  UniqueFd ours(ends[0]), theirs(ends[1]);
  // If SIGCHLD is inherited as ignored, the kernel reaps CMD and drops its status.
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &by_default, &plan->on_child_end);
  const pid_t pid = ::fork();
  if (pid < 0) return system_error("forking the command");
  if (pid == 0) {
    ours.reset();  // otherwise the channel would not end with the parent
    wait_and_execute(*plan, theirs.get());
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  std::optional<Error> error;
  if (!pidfd) error = system_error("watching the command (pidfd_open)");
  Command command(pid, std::move(pidfd), std::move(ours), argv[0], user);
  if (error) return *error;
  return command;
}

Command::~Command() {
  if (!channel_) return;
  ::kill(pid_, SIGKILL);  // the child may be stopped and not see the end of the channel
  ::waitpid(pid_, nullptr, 0);
}

std::optional<ExecFailure> Command::release() {
  const UniqueFd channel = std::move(channel_);
  ::send(channel.get(), "", 1, MSG_NOSIGNAL);
  Failure failure{};
  ssize_t got = 0;
  while ((got = ::recv(channel.get(), &failure, sizeof failure, MSG_WAITALL)) < 0 && errno == EINTR)
    continue;
  if (got != static_cast<ssize_t>(sizeof failure)) return std::nullopt;
  ::waitpid(pid_, nullptr, 0);
  ExecFailure why = explain(failure, name_, user_);
  status_ = why.status;
  return why;
}

std::optional<int> Command::status() {
  if (status_) return status_;
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended == 0) return std::nullopt;
  if (ended < 0)
    status_ = kOwnFailure;  // no longer our child: do not wait for ever
  else
    status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return status_;
}

void Command::forward(int signal) {
  if (!status()) ::kill(pid_, signal);  // not reaped yet, so the pid is not reused
}

void give_away_stdin_and_stdout() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(null.get(), STDOUT_FILENO);
}

}  // namespace tcpdwell
