// SPDX-License-Identifier: Apache-2.0
#include "commands/tracer.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

#include "commands/common.h"
#include "options/kernel_filter.h"
#include "options/netns_choice.h"
#include "session/privileges.h"
#include "session/service_manager.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

std::string doing_ready(const std::string& path) { return "--ready-file: making " + path; }

// A flag waits for the stacks of its holders.
constexpr std::chrono::milliseconds kPatienceOfTrace{1000};

// Refuses a FIFO, which would block until it has a reader, and a file that another option writes,
// which would be truncated. Checked before the trace begins.
std::optional<Error> why_no_ready_file(const TracerConfig& config, const FilePolicy& policy) {
  struct stat info {};
  if (config.ready_file.empty() || ::stat(config.ready_file.c_str(), &info) != 0)
    return std::nullopt;
  const std::string doing = doing_ready(config.ready_file);
  if (!S_ISREG(info.st_mode))
    return Error{doing + ": it exists and is not a regular file. Give another path", {}, {}};
  const auto& used = policy.in_use;
  if (std::find(used.begin(), used.end(), id_of(info)) == used.end()) return std::nullopt;
  return Error{doing + ": another option reads or writes this file. Give another path", {}, {}};
}

FilePolicy policy_of_ready_file(const TracerConfig& config, const Output& output,
                                const recording::Recorder* recorder) {
  FilePolicy policy = config.files;
  if (const auto id = id_of(output.fd())) policy.in_use.push_back(*id);
  if (recorder != nullptr) policy.in_use.push_back(recorder->file_id());
  return policy;
}

std::optional<Error> make_ready_file(const std::string& path, const FilePolicy& policy) {
  if (path.empty()) return std::nullopt;
  const auto file = make_file(path, Opening::Exclusive, policy, doing_ready(path));
  return file ? std::nullopt : std::optional(file.error());
}

// Handles pending signals; true if one of them ends the run.
bool handle_signals(Signals& signals, Output& output, recording::Recorder* recorder) {
  bool over = false;
  while (const auto signal = signals.next()) {
    if (*signal == SIGHUP && recorder != nullptr) recorder->reopen(monotonic_now());
    over = (*signal == SIGHUP ? !output.reopen() : true) || over;
  }
  return over;
}

// Limits the capabilities of the writer thread.
Result<std::unique_ptr<recording::Recorder>> open_record(const recording::RecorderConfig& config) {
  auto recorder = recording::Recorder::open(config);
  if (recorder)
    (*recorder)->on_helper(
        [] { keep_only(needed_for({.opens_files = true}) & needed_by_loop_only()); });
  return recorder;
}

// Logs once why the recording ended. over() is true if the run exists only for the recording.
class RecordingWatch {
 public:
  RecordingWatch(const TracerConfig& config, const recording::Recorder* recorder)
      : config_(config), recorder_(recorder) {}
  bool over() {
    if (recorder_ == nullptr || !(recorder_->failed() || recorder_->full())) return false;
    if (!std::exchange(warned_, true) && !config_.only_record) {
      if (const auto error = recorder_->error())
        spdlog::warn("{}: the trace continues without a recording", error->text());
      else
        spdlog::info("{} has reached --max-size: the trace continues without a recording",
                     config_.record->path);
    }
    return config_.only_record;
  }

 private:
  const TracerConfig& config_;
  const recording::Recorder* recorder_;
  bool warned_ = false;
};

// Makes the ready file and drops the capabilities kept for it.
std::optional<Error> get_ready(const TracerConfig& config, const FilePolicy& files,
                               NeededRights rights, const Output& output) {
  auto error = make_ready_file(config.ready_file, files);
  rights.opens_files = output.is_reopened();
  return error ? error : keep_only(needed_for(rights));
}

std::optional<Error> run_until_over(const TracerConfig& config, const NeededRights& rights,
                                    Session& session, Signals& signals, Output& output) {
  std::optional<Error> failed;
  std::optional<Nanos> until;
  bool ready = false;
  RecordingWatch record(config, session.recorder());
  ServiceManager manager;
  const auto over = [&] {
    const Nanos now = monotonic_now();
    manager.alive(now);
    if (!ready && session.is_ready()) {
      ready = true;
      if (config.duration) until = now + *config.duration;
      if (const auto not_entered = session.namespaces_not_entered())
        spdlog::warn(
            "cannot enter {}: sockets there that are older than the trace appear with their first "
            "event",
            format_count(not_entered, "network namespace"));
      failed = get_ready(config, policy_of_ready_file(config, output, session.recorder()), rights,
                         output);
      manager.ready();
      if (config.on_ready) config.on_ready(session);
    }
    if (config.on_turn) config.on_turn(session);
    const bool gone = session.netns_gone();
    if (gone)
      spdlog::warn("network namespace {} is gone: the trace ends with it",
                   *config.session.filter.netns);
    const bool enough = (config.enough && config.enough()) || record.over() || gone;
    return handle_signals(signals, output, session.recorder()) || failed || enough ||
           (until && now >= *until);
  };
  auto error = session.loop(over);
  manager.stopping();
  return error ? error : failed;
}

}  // namespace

Result<EndRecord> trace(const TracerConfig& config, Sink& sink, Output& output) {
  if (auto error = why_no_ready_file(config, policy_of_ready_file(config, output, nullptr)))
    return *error;
  Signals signals;
  SessionConfig kept = config.session;
  kept.cgroups = list_cgroups(find_cgroup2_mount());
  auto programs = Programs::attach({.filter = kernel_filter(config.session.filter),
                                    .accept = config.watch_accept,
                                    .ring_bytes = ring_size(config.ring_bytes)});
  if (!programs) return programs.error();
  auto blocked = open_blocked_reader(config.where, kPatienceOfTrace);
  if (!blocked) return blocked.error();
  kept.blocked = blocked->get();
  auto stacks = open_stack_collector(config.where, config.session.filter, std::nullopt);
  if (!stacks) return stacks.error();
  kept.stacks = stacks->get();
  auto netns = keep_to_netns(*programs, kept.filter, kept.netns_path);
  if (!netns) return netns.error();
  kept.netns_cookie = *netns;
  auto rights = drop_unneeded_rights(
      *programs,
      {.other_namespaces = looks_elsewhere(config.session.filter),
       .opens_files = output.is_reopened() || config.record || !config.ready_file.empty(),
       .reads_processes = config.where.on});
  if (!rights) return rights.error();
  std::unique_ptr<recording::Recorder> recorder;
  if (config.record) {
    auto record = *config.record;
    record.policy = config.files;
    if (const auto id = id_of(output.fd())) record.policy.in_use.push_back(*id);
    auto opened = open_record(record);
    if (!opened) return opened.error();
    recorder = std::move(*opened);
  }
  kept.recorder = recorder.get();
  if (config.attached)
    if (auto error = config.attached()) return *error;
  Session session(std::move(kept), *programs, sink, output);
  if (const auto error = session.begin()) return *error;
  if (const auto error = session.watch(signals.fd())) return *error;
  for (const int fd : config.wake_on)
    if (const auto error = session.watch(fd)) return *error;
  if (const auto error = run_until_over(config, *rights, session, signals, output)) return *error;
  EndRecord end = session.finish(*programs);
  log_stacks(stacks->get());
  if (const auto error = output.error()) return *error;
  if (recorder == nullptr) return end;
  end.unrecorded = recorder->dropped();
  if (end.unrecorded > 0)
    spdlog::warn("{} missing in {}: the disk was too slow. Record to a faster disk, or with --zstd",
                 format_count(end.unrecorded, "frame"), config.record->path);
  if (const auto error = recorder->error()) return *error;
  return end;
}

}  // namespace tcpdwell
