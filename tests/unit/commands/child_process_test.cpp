// SPDX-License-Identifier: Apache-2.0
// Real processes: what CMD inherits, how it ends, and that nothing is executed before its time.
#include "commands/child_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "session/signals.h"

namespace tcpdwell {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Argv = std::vector<std::string>;

bool ended(const Command& command, int wait_ms = 60'000) {
  pollfd ready{.fd = command.pidfd(), .events = POLLIN, .revents = 0};
  return ::poll(&ready, 1, wait_ms) == 1;
}

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// What Signals and fork() change of this process is undone after each test.
class CommandTest : public testing::Test {
 protected:
  void SetUp() override {
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_);
    for (const int number : kChanged) actions_.emplace_back(number, action_of(number));
    std::string name = (std::filesystem::temp_directory_path() / "command_test.XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    ASSERT_EQ(::chmod(directory_.c_str(), 0777), 0);  // for other users, too
  }
  void TearDown() override {
    ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    for (const auto& [number, action] : actions_) ::sigaction(number, &action, nullptr);
    set_path(path_);
    std::filesystem::remove_all(directory_);
  }

  std::string file(const std::string& name) const { return directory_ / name; }

  std::string content(const std::string& name) const { return text_of(file(name)); }

  // An executable file, or not, with this content.
  std::string script(const std::string& name, const std::string& text, mode_t mode) const {
    std::ofstream(file(name)) << text;
    EXPECT_EQ(::chmod(file(name).c_str(), mode), 0);
    return file(name);
  }

  static void set_path(const std::string& path) { ::setenv("PATH", path.c_str(), 1); }

  // Runs it to its end; -1 if it does not end.
  static int status_of(Command& command) {
    if (const auto failure = command.release()) return failure->status;
    if (!ended(command)) return -1;
    return command.status().value_or(-1);
  }
  static int run(const Argv& argv, const std::string& user = {}) {
    auto command = Command::fork(argv, user);
    if (!command) ADD_FAILURE() << command.error().text();
    return command ? status_of(*command) : -1;
  }
  // What a shell script wrote to the file "out".
  std::string output_of(const std::string& text, const std::string& user = {}) const {
    EXPECT_EQ(run({"/bin/sh", "-c", "exec >" + file("out") + "; " + text}, user), 0);
    return content("out");
  }

 private:
  static constexpr std::array kChanged{SIGCHLD, SIGHUP, SIGPIPE, SIGUSR1};
  static struct sigaction action_of(int number) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    return action;
  }
  sigset_t mask_{};
  std::vector<std::pair<int, struct sigaction>> actions_;
  std::filesystem::path directory_;
  std::string path_ = std::getenv("PATH");
};

TEST_F(CommandTest, ItsStatusIsPassedOn) {
  EXPECT_EQ(run({"/bin/true"}), 0);
  EXPECT_EQ(run({"true"}), 0) << "found in PATH";
  EXPECT_EQ(run({"/bin/sh", "-c", "exit 7"}), 7);
  EXPECT_EQ(run({"/bin/sh", "-c", "exit 255"}), 255);
}

TEST_F(CommandTest, ASignalBecomes128PlusItsNumber) {
  EXPECT_EQ(run({"/bin/sh", "-c", "kill -9 $$"}), 137);
  EXPECT_EQ(run({"/bin/sh", "-c", "kill -TERM $$"}), 143);
}

TEST_F(CommandTest, ItsArgumentsArriveAsTheyAre) {
  auto command = Command::fork(
      {"/bin/sh", "-c", R"(printf '[%s]' "$@" >"$0")", file("out"), "a b", "", "--", "*"});
  ASSERT_TRUE(command);
  EXPECT_EQ(status_of(*command), 0);
  EXPECT_EQ(content("out"), "[a b][][--][*]");
}

TEST_F(CommandTest, NothingIsExecutedBeforeTheRelease) {
  auto command = Command::fork({"/bin/sh", "-c", "echo ran >" + file("out")});
  ASSERT_TRUE(command);
  EXPECT_FALSE(ended(*command, 50));
  EXPECT_EQ(command->status(), std::nullopt);
  EXPECT_FALSE(std::filesystem::exists(file("out")));
  const pid_t pid = command->pid();
  EXPECT_EQ(status_of(*command), 0);
  EXPECT_EQ(content("out"), "ran\n");
  EXPECT_EQ(command->pid(), pid) << "it is the same process that was marked";
}

TEST_F(CommandTest, UnreleasedChildIsKilled) {
  pid_t pid = 0;
  {
    auto command = Command::fork({"/bin/sh", "-c", "echo ran >" + file("out")});
    ASSERT_TRUE(command);
    pid = command->pid();
    ::kill(pid, SIGSTOP);  // not even this keeps it, or us
  }
  EXPECT_EQ(::kill(pid, 0), -1) << "reaped";
  EXPECT_FALSE(std::filesystem::exists(file("out")));
}

TEST_F(CommandTest, ChildKilledBeforeReleaseHasASignalStatus) {
  auto command = Command::fork({"/bin/true"});
  ASSERT_TRUE(command);
  command->forward(SIGTERM);
  ASSERT_TRUE(ended(*command));
  EXPECT_FALSE(command->release());
  EXPECT_EQ(command->status(), 143);
}

// Forks a tcpdwell that forks a Command and dies; a pidfd of the latter.
UniqueFd orphaned_command(const Argv& argv, bool released) {
  int pipe[2];
  EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    auto command = Command::fork(argv);
    if (released) command->release();
    const pid_t pid = command->pid();
    const bool told = ::write(pipe[1], &pid, sizeof pid) == sizeof pid;
    ::pause();
    ::_exit(told);  // never: it is killed
  }
  pid_t pid = 0;
  EXPECT_EQ(::read(pipe[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  for (const int fd : pipe) ::close(fd);
  return pidfd;
}

TEST_F(CommandTest, UnreleasedChildDiesWithParent) {
  const UniqueFd pidfd = orphaned_command({"/bin/sh", "-c", "echo ran >" + file("out")}, false);
  pollfd ready{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&ready, 1, 60'000), 1);
  EXPECT_FALSE(std::filesystem::exists(file("out")));
}

TEST_F(CommandTest, ReleasedCommandOutlivesParent) {
  ASSERT_EQ(::mkfifo(file("fifo").c_str(), 0600), 0);
  const std::string text = "read line <" + file("fifo") + "; echo \"$line\" >" + file("out");
  const UniqueFd pidfd = orphaned_command({"/bin/sh", "-c", text}, true);
  std::ofstream(file("fifo")) << "alive\n";
  pollfd ready{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&ready, 1, 60'000), 1);
  EXPECT_EQ(content("out"), "alive\n");
}

TEST_F(CommandTest, ForwardedSignalsArrive) {
  ASSERT_EQ(::mkfifo(file("fifo").c_str(), 0600), 0);
  const std::string text = "trap 'exit 5' TERM; : >" + file("fifo") + "; while :; do sleep 1; done";
  auto command = Command::fork({"/bin/sh", "-c", text});
  ASSERT_TRUE(command);
  ASSERT_FALSE(command->release());
  content("fifo");  // ends when the trap is set
  command->forward(SIGTERM);
  ASSERT_TRUE(ended(*command));
  EXPECT_EQ(command->status(), 5);
  command->forward(SIGTERM);  // to nobody
  EXPECT_EQ(command->status(), 5);
}

TEST_F(CommandTest, MissingCommandIs127) {
  auto command = Command::fork({"/no/such/command"});
  ASSERT_TRUE(command);
  const auto failure = command->release();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->status, 127);
  EXPECT_EQ(failure->error.text(), "/no/such/command: No such file or directory");
  EXPECT_EQ(command->status(), 127);
  EXPECT_EQ(run({""}), 127);
}

TEST_F(CommandTest, AMissingInterpreterIsNamedAsTheReason) {
  auto command = Command::fork({script("broken", "#!/no/such/interpreter\n", 0755)});
  ASSERT_TRUE(command);
  const auto failure = command->release();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->status, 127) << "as env";
  EXPECT_THAT(failure->error.text(), HasSubstr("interpreter"));
}

TEST_F(CommandTest, NonExecutableIs126) {
  EXPECT_EQ(run({script("plain", "exit 0\n", 0644)}), 126);
  EXPECT_EQ(run({"/"}), 126) << "a directory";
  EXPECT_EQ(run({script("plain", "", 0644) + "/below"}), 126);
}

TEST_F(CommandTest, PathIsSearchedAsExecvpDoes) {
  script("plain", "exit 0\n", 0644);
  script("no-interpreter-line", "exit 9\n", 0755);
  set_path("/no/such:/dev/null:" + file(""));
  EXPECT_EQ(run({"plain"}), 126);
  EXPECT_EQ(run({"absent"}), 127);
  EXPECT_EQ(run({"no-interpreter-line"}), 9) << "/bin/sh runs it";
  set_path(file("") + ":/dev/null");
  EXPECT_EQ(run({"absent"}), 127) << "whatever stands last in PATH";
}

TEST_F(CommandTest, NoCommandIsAnError) { EXPECT_FALSE(Command::fork({})); }

// The bit mask "SigBlk" of /proc/PID/status.
std::uint64_t mask(const std::string& status, const std::string& name) {
  const auto at = status.find(name + ":");
  if (at == std::string::npos) throw std::invalid_argument("no " + name);
  return std::stoull(status.substr(at + name.size() + 1), nullptr, 16);
}

TEST_F(CommandTest, InheritsSignalsFromBeforeOurChanges) {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
  ::signal(SIGHUP, SIG_IGN);  // nohup
  ::signal(SIGCHLD, SIG_IGN);
  ::signal(SIGPIPE, SIG_DFL);
  constexpr std::uint64_t kAsSet = 1U << (SIGHUP - 1) | 1U << (SIGCHLD - 1) | 1U << (SIGPIPE - 1);
  const std::string before = text_of("/proc/self/status");
  auto command = Command::fork({"/bin/cp", "/proc/self/status", file("out")});
  ASSERT_TRUE(command);
  const Signals ours(Signals::For::Run);
  ASSERT_EQ(status_of(*command), 0) << "although SIGCHLD was ignored";
  const std::string status = content("out");
  EXPECT_EQ(mask(status, "SigIgn"), mask(before, "SigIgn"));
  EXPECT_EQ(mask(status, "SigBlk"), 1U << (SIGUSR2 - 1));
  EXPECT_EQ(mask(status, "SigIgn") & kAsSet, 1U << (SIGHUP - 1) | 1U << (SIGCHLD - 1));
}

TEST_F(CommandTest, ProcessGroupAndSessionAreOurs) {
  std::istringstream stat(output_of("exec cat /proc/self/stat"));
  std::string pid, comm, state;
  pid_t parent = 0, group = 0, session = 0;
  stat >> pid >> comm >> state >> parent >> group >> session;
  EXPECT_EQ(parent, ::getpid());
  EXPECT_EQ(group, ::getpgrp());
  EXPECT_EQ(session, ::getsid(0));
}

TEST_F(CommandTest, NoDescriptorOfOursLeaks) {
  const UniqueFd closed_on_exec(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  std::set<std::string> wanted{"0", "1", "2"};
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) wanted.insert(entry.path().filename());
  }
  std::istringstream listed(
      output_of("for fd in /proc/$$/fd/*; do [ -L $fd ] && echo ${fd##*/}; done; :"));
  std::set<std::string> found;
  for (std::string fd; listed >> fd;) found.insert(fd);
  EXPECT_EQ(found, wanted);
}

TEST_F(CommandTest, AnUnknownUserIsAnError) {
  const auto command = Command::fork({"/bin/true"}, "no-such-user");
  ASSERT_FALSE(command);
  EXPECT_THAT(command.error().text(), HasSubstr("no-such-user"));
  for (const char* user : {"4294967295", "4294967296", "-1", "1x", "0x1"})
    EXPECT_FALSE(Command::fork({"/bin/true"}, user)) << user;
}

std::vector<gid_t> our_groups() {
  std::vector<gid_t> groups(static_cast<std::size_t>(::getgroups(0, nullptr)));
  EXPECT_EQ(::getgroups(static_cast<int>(groups.size()), groups.data()),
            static_cast<int>(groups.size()));
  return groups;
}

TEST_F(CommandTest, RootCanDropItToAUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const std::vector<gid_t> ours = our_groups();
  const gid_t other = 12345;
  ASSERT_EQ(::setgroups(1, &other), 0);
  const std::string text = "id -un; id -ru; id -G; echo $HOME $USER $LOGNAME";
  const std::string got = output_of(text, "nobody");
  EXPECT_EQ(::setgroups(ours.size(), ours.data()), 0);
  EXPECT_THAT(got, StartsWith("nobody\n65534\n65534\n"));
  EXPECT_THAT(got, HasSubstr(" nobody nobody\n"));
  EXPECT_EQ(output_of(text, "65534"), got) << "by number";
  EXPECT_THAT(output_of("grep -E '^(Uid|Cap(Prm|Eff|Amb))' /proc/$$/status", "nobody"),
              Not(testing::ContainsRegex("Cap...:\t0*[1-9a-f]|\t0\t")));
}

TEST_F(CommandTest, ANumberNeedsNoEntryInTheDatabase) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  EXPECT_EQ(output_of("id -u; id -G; echo $HOME", "987654"), "987654\n987654\n/\n");
}

TEST_F(CommandTest, ReportsAForbiddenUserChange) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may";
  auto command = Command::fork({"/bin/true"}, "nobody");
  ASSERT_TRUE(command);
  const auto failure = command->release();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->status, 125);
  EXPECT_THAT(failure->error.text(), HasSubstr("nobody"));
}

TEST_F(CommandTest, AFileThatOnlyRootMayExecuteIs126ForAnother) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  EXPECT_EQ(run({script("mine", "exit 0\n", 0700)}, "nobody"), 126);
}

TEST_F(CommandTest, StdinAndStdoutCanBeGivenAway) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const pid_t child = ::fork();  // or this test would have no stdout any more
  if (child == 0) {
    ::dup2(pipe[1], STDOUT_FILENO);
    ::close(pipe[1]);
    give_away_stdin_and_stdout();
    ::pause();
  }
  ::close(pipe[1]);
  char byte = 0;
  EXPECT_EQ(::read(pipe[0], &byte, 1), 0) << "nobody holds its other end";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(pipe[0]);
}

}  // namespace
}  // namespace tcpdwell
