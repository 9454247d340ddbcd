// SPDX-License-Identifier: Apache-2.0
// `run`: traces a command and its descendants, and no other process.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <variant>

#include "commands/child_process.h"
#include "commands/common.h"
#include "commands/leak_sinks.h"
#include "commands/perf_maps.h"
#include "commands/table.h"

#include "options/kernel_filter.h"
#include "options/netns_choice.h"
#include "session/limits.h"
#include "session/privileges.h"
#include "session/session.h"
#include "sinks/ndjson_sink.h"
#include "sinks/run_report.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// A flag waits for the stacks of its holders.
constexpr std::chrono::milliseconds kPatienceOfRun{1000};

struct RunConfig {
  SessionConfig session;
  bool watch_accept = true;
  WhereChoice where;
  std::uint64_t ring_bytes = 0;
};

struct RunResult {
  int status = 0;  // of the command; 128+N for a signal
  EndRecord end;
};

// How long to wait, once the command has ended, for the answers of the kernel on flags that are
// due.
constexpr Nanos kLastAnswers = 500ms;

ExecFailure own_failure(const Error& error) { return {kOwnFailure, error}; }

void forward_signals(Signals& signals, Command& command) {
  while (const auto signal = signals.take())
    if (is_for_command(*signal, kinship_with(command.pid()))) command.forward(signal->number);
}

std::optional<Error> follow(Session& session, Signals& signals, Command& command) {
  std::optional<Nanos> ended;
  return session.loop([&] {
    forward_signals(signals, command);
    const Nanos now = monotonic_now();
    if (!ended && command.status()) ended = now;
    return ended && (session.is_settled(now) || now - *ended > kLastAnswers);
  });
}

// Waits for the end of CMD, also if tracing or the report failed.
int wait_for(Signals& signals, Command& command) {
  while (!command.status()) {
    std::array<pollfd, 2> news{pollfd{.fd = signals.fd(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = command.pidfd(), .events = POLLIN, .revents = 0}};
    ::poll(news.data(), news.size(), -1);
    forward_signals(signals, command);
  }
  return *command.status();
}

// The error of the output; nullopt if its reader is gone: a pipe was closed, a terminal hung up.
std::optional<Error> write_error(const Output& output) {
  pollfd reader{.fd = output.fd(), .events = 0, .revents = 0};
  if (::poll(&reader, 1, 0) > 0 && (reader.revents & (POLLERR | POLLHUP)) != 0) return std::nullopt;
  return output.error();
}

// Releases `command`, which is forked, and follows it until it ends, even if the output fails. Does
// not wait for descendants that outlive it. Forwards signals to it. Writes flags to `sink`.
// ExecFailure: nothing was executed, or tracing failed before the end.
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
  auto blocked = open_blocked_reader(config.where, kPatienceOfRun);
  if (!blocked) return own_failure(blocked.error());
  session_config.blocked = blocked->get();
  auto stacks =
      open_stack_collector(config.where, config.session.filter, programs->followed_tasks());
  if (!stacks) return own_failure(stacks.error());
  session_config.stacks = stacks->get();
  if (const auto error = programs->follow(command.pidfd())) return own_failure(*error);
  auto rights =
      drop_unneeded_rights(*programs, {.other_namespaces = looks_elsewhere(config.session.filter),
                                       .signals_command = true,
                                       .reads_processes = config.where.on});
  if (!rights) return own_failure(rights.error());
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
  log_stacks(stacks->get());
  const int status = wait_for(signals, command);
  if (config.where.jit) remove_perf_maps(session.lifecycle().exited());
  if (const auto error = output.error() ? write_error(output) : failed) return own_failure(*error);
  return RunResult{status, end};
}

}  // namespace

// stdin and stdout belong to CMD: the report goes to stderr or to a file.
int run_run(const Options& options) {
  if (options.where.jit) switch_perf_maps_on();
  auto command = Command::fork(options.command, options.user);
  if (!command) return fail(command.error(), kOwnFailure);
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error, kOwnFailure);
  give_away_stdin_and_stdout();
  auto output = options.output.empty()
                    ? Result<Output>(Output(STDERR_FILENO, options.output_buffer))
                    : Output::open(options.output, options.output_buffer, options.files);
  if (!output) return fail(output.error(), kOwnFailure);
  RunReport report(*output, text_style(options, *output), options.thresholds, options.exit_grace);
  NdjsonSink json(*output, Kinds{});
  RaisedOnly raised(json);
  NullSink none;
  RunSink sink(report, options.json ? static_cast<Sink&>(raised) : none);
  RunConfig config{.session = session_config(options),
                   .watch_accept = options.accept,
                   .where = options.where,
                   .ring_bytes = options.ring_bytes};
  config.session.filter.flags_only = true;
  config.session.filter.followed = true;
  config.session.snapshot = false;
  config.session.needs_reader = false;  // CMD runs on if nothing reads the report
  config.session.exit_grace = options.exit_grace;
  const auto done = run(config, *command, sink, *output);
  if (const auto* failure = std::get_if<ExecFailure>(&done))
    return fail(failure->error, failure->status);
  const auto& [status, end] = std::get<RunResult>(done);
  const bool leaked = report.leaked() > 0;
  if (!options.json && (leaked || !options.quiet))
    report.print(options.command.front(), status, end.longest);
  output->finish();
  if (const auto error = write_error(*output)) return fail(*error, kOwnFailure);
  const int lost = lost_status(options, end, *output);
  if (status != kDone) return status;
  return leaked ? options.leak_exit_code : lost;
}

}  // namespace tcpdwell
