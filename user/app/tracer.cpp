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
bool heed(Signals& signals, Output& output, recording::Recorder* recorder) {
  bool over = false;
  while (const auto signal = signals.next()) {
    if (*signal == SIGHUP && recorder != nullptr) recorder->reopen(monotonic_now());
    over = (*signal == SIGHUP ? !output.reopen() : true) || over;
  }
  return over;
}

// The rights of the thread that writes it.
Result<std::unique_ptr<recording::Recorder>> open_record(const recording::RecorderConfig& config) {
  auto recorder = recording::Recorder::open(config);
  if (recorder)
    (*recorder)->on_helper(
        [] { keep_only(needed_for({.opens_files = true}) & needed_by_loop_only()); });
  return recorder;
}

// Tells once why there will be no more of it. True: there is nothing to go on for.
class RecordWatch {
 public:
  RecordWatch(const TracerConfig& config, const recording::Recorder* recorder)
      : config_(config), recorder_(recorder) {}
  bool over() {
    if (recorder_ == nullptr || !(recorder_->failed() || recorder_->full())) return false;
    if (!std::exchange(told_, true) && !config_.only_record) {
      if (const auto error = recorder_->error())
        spdlog::warn("{}: the trace goes on without a record", error->text());
      else
        spdlog::info("{} has reached --max-size: the trace goes on without a record",
                     config_.record->path);
    }
    return config_.only_record;
  }

 private:
  const TracerConfig& config_;
  const recording::Recorder* recorder_;
  bool told_ = false;
};

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
  RecordWatch record(config, session.recorder());
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
    const bool enough = (config.enough && config.enough()) || record.over();
    return heed(signals, output, session.recorder()) || failed || enough ||
           (until && now >= *until);
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
  auto promises = settle_rights(
      *programs,
      {.other_namespaces = looks_elsewhere(config.session.filter),
       .opens_files = output.is_reopened() || config.record || !config.ready_file.empty()});
  if (!promises) return promises.error();
  std::unique_ptr<recording::Recorder> recorder;
  if (config.record) {
    auto opened = open_record(*config.record);
    if (!opened) return opened.error();
    recorder = std::move(*opened);
  }
  SessionConfig kept = config.session;
  kept.recorder = recorder.get();
  Session session(kept, *programs, sink, output);
  if (const auto error = session.begin()) return *error;
  session.watch(signals.fd());
  if (const auto error = run_until_over(config, *promises, session, signals, output)) return *error;
  EndRecord end = session.finish(*programs);
  if (const auto error = output.error()) return *error;
  if (recorder == nullptr) return end;
  end.unrecorded = recorder->dropped();
  if (end.unrecorded > 0)
    spdlog::warn("{} missing in {}: the disk was too slow", format_count(end.unrecorded, "frame"),
                 config.record->path);
  if (const auto error = recorder->error()) return *error;
  return end;
}

}  // namespace tcpdwell
