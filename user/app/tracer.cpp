// SPDX-License-Identifier: Apache-2.0
#include "app/tracer.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <csignal>

#include "app/kernel_filter.h"
#include "app/privileges.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

std::optional<Error> make_ready_file(const std::string& path) {
  if (path.empty()) return std::nullopt;
  const UniqueFd ready(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!ready) return system_error("making the ready file " + path);
  return std::nullopt;
}

// What to do with the signals that came: true if one of them ends the run.
bool heed(Signals& signals, Output& output) {
  bool over = false;
  while (const auto signal = signals.next())
    over = (*signal == SIGHUP ? !output.reopen() : true) || over;
  return over;
}

// The ready file is made; what was kept for it alone goes, too.
std::optional<Error> get_ready(const TracerConfig& config, Promises promises,
                               const Output& output) {
  auto error = make_ready_file(config.ready_file);
  promises.opens_files = output.is_reopened();
  return error ? error : keep_only(needed_for(promises));
}

std::optional<Error> run_until_over(const TracerConfig& config, const Promises& promises,
                                    Session& session, Signals& signals, Output& output) {
  std::optional<Error> failed;
  std::optional<Nanos> until;
  bool ready = false;
  const auto over = [&] {
    const Nanos now = monotonic_now();
    if (!ready && session.is_ready()) {
      ready = true;
      if (config.duration) until = now + *config.duration;
      if (const auto not_entered = session.namespaces_not_entered())
        spdlog::warn(
            "cannot enter {}: sockets in them that are older than the trace show with their first "
            "event",
            format_count(not_entered, "network namespace"));
      failed = get_ready(config, promises, output);
    }
    const bool enough = config.enough && config.enough();
    return heed(signals, output) || failed || enough || (until && now >= *until);
  };
  auto error = session.loop(over);
  return error ? error : failed;
}

}  // namespace

Result<EndRecord> trace(const TracerConfig& config, Sink& sink, Output& output) {
  Signals signals;
  auto programs = Programs::attach({.filter = kernel_filter(config.session.filter),
                                    .accept = config.watch_accept,
                                    .ring_bytes = ring_size(config.ring_bytes)});
  if (!programs) return programs.error();
  auto promises =
      settle_rights(*programs, {.other_namespaces = looks_elsewhere(config.session.filter),
                                .opens_files = output.is_reopened() || !config.ready_file.empty()});
  if (!promises) return promises.error();
  Session session(config.session, *programs, sink, output);
  if (const auto error = session.begin()) return *error;
  session.watch(signals.fd());
  if (const auto error = run_until_over(config, *promises, session, signals, output)) return *error;
  EndRecord end = session.finish(*programs);
  if (const auto error = output.error()) return *error;
  return end;
}

}  // namespace tcpdwell
