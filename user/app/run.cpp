// SPDX-License-Identifier: Apache-2.0
#include "app/run.h"

#include "app/kernel_filter.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// A flag that is due when the command ends is still asked for, but not for longer than this.
constexpr Nanos kLastQuestions = 500ms;

ExecFailure own_failure(const Error& error) { return {kOwnFailure, error}; }

std::optional<Error> follow(Session& session, Signals& signals, Command& command) {
  std::optional<Nanos> ended;
  return session.loop([&] {
    while (const auto signal = signals.take())
      if (is_for_command(*signal, kinship_with(command.pid()))) command.forward(signal->number);
    const Nanos now = monotonic_now();
    if (!ended && command.status()) ended = now;
    return ended && (session.is_settled(now) || now - *ended > kLastQuestions);
  });
}

}  // namespace

std::variant<RunResult, ExecFailure> run(const RunConfig& config, Command& command, Sink& sink,
                                         Output& output) {
  Signals signals(Signals::For::Run);
  auto programs = Programs::attach({.filter = kernel_filter(config.session.filter),
                                    .accept = config.watch_accept,
                                    .follow = true,
                                    .ring_bytes = ring_size(config.ring_bytes),
                                    .hz = kernel_hz()});
  if (!programs) return own_failure(programs.error());
  if (const auto error = programs->follow(command.pidfd())) return own_failure(*error);
  Session session(config.session, *programs, sink, output);
  if (const auto error = session.begin()) return own_failure(*error);
  session.watch(signals.fd());
  session.watch(command.pidfd());
  if (auto failure = command.release()) {
    session.finish(*programs);
    return *failure;
  }
  if (const auto error = follow(session, signals, command)) return own_failure(*error);
  const EndRecord end = session.finish(*programs);
  if (const auto& error = output.error()) return own_failure(*error);
  return RunResult{command.status().value_or(kOwnFailure), end};
}

}  // namespace tcpdwell
