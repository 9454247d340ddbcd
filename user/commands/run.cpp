// SPDX-License-Identifier: Apache-2.0
#include "commands/run.h"

#include <poll.h>

#include <array>

#include "options/kernel_filter.h"
#include "options/netns_choice.h"
#include "session/privileges.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// A flag that is due when the command ends is still asked for, but not for longer than this.
constexpr Nanos kLastQuestions = 500ms;

ExecFailure own_failure(const Error& error) { return {kOwnFailure, error}; }

void pass_on(Signals& signals, Command& command) {
  while (const auto signal = signals.take())
    if (is_for_command(*signal, kinship_with(command.pid()))) command.forward(signal->number);
}

std::optional<Error> follow(Session& session, Signals& signals, Command& command) {
  std::optional<Nanos> ended;
  return session.loop([&] {
    pass_on(signals, command);
    const Nanos now = monotonic_now();
    if (!ended && command.status()) ended = now;
    return ended && (session.is_settled(now) || now - *ended > kLastQuestions);
  });
}

// What failed is the tracing, or the report: CMD is not to blame, and its end is still awaited.
int outlast(Signals& signals, Command& command) {
  while (!command.status()) {
    std::array<pollfd, 2> news{pollfd{.fd = signals.fd(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = command.pidfd(), .events = POLLIN, .revents = 0}};
    ::poll(news.data(), news.size(), -1);
    pass_on(signals, command);
  }
  return *command.status();
}

}  // namespace

std::optional<Error> write_error(const Output& output) {
  pollfd reader{.fd = output.fd(), .events = 0, .revents = 0};
  if (::poll(&reader, 1, 0) > 0 && (reader.revents & (POLLERR | POLLHUP)) != 0) return std::nullopt;
  return output.error();
}

std::variant<RunResult, ExecFailure> run(const RunConfig& config, Command& command, Sink& sink,
                                         Output& output) {
  Signals signals(Signals::For::Run);
  SessionConfig session_config = config.session;
  session_config.cgroups = list_cgroups(find_cgroup2_mount());
  auto programs = Programs::attach({.filter = kernel_filter(config.session.filter),
                                    .accept = config.watch_accept,
                                    .follow = true,
                                    .ring_bytes = ring_size(config.ring_bytes)});
  if (!programs) return own_failure(programs.error());
  if (const auto netns = keep_to_netns(*programs, config.session.filter, config.session.netns_path);
      !netns)
    return own_failure(netns.error());
  if (const auto error = programs->follow(command.pidfd())) return own_failure(*error);
  auto promises = drop_unneeded_rights(
      *programs,
      {.other_namespaces = looks_elsewhere(config.session.filter), .signals_command = true});
  if (!promises) return own_failure(promises.error());
  Session session(std::move(session_config), *programs, sink, output);
  if (const auto error = session.begin()) return own_failure(*error);
  if (const auto error = session.watch(signals.fd())) return own_failure(*error);
  if (const auto error = session.watch_once(command.pidfd())) return own_failure(*error);
  if (auto failure = command.release()) {
    session.finish(*programs);
    return *failure;
  }
  const auto failed = follow(session, signals, command);
  const EndRecord end = session.finish(*programs);
  const int status = outlast(signals, command);
  if (const auto error = output.error() ? write_error(output) : failed) return own_failure(*error);
  return RunResult{status, end};
}

}  // namespace tcpdwell
