// SPDX-License-Identifier: Apache-2.0
// The event loop of every command that looks at this host: owns ring, lifecycle table and output on
// one thread; what is slow is asked of a helper thread. No step takes longer than a batch.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "session/kernel_queries.h"
#include "session/loss_monitor.h"
#include "session/signals.h"
#include "lifecycle/filter.h"
#include "model/observer.h"
#include "model/record.h"
#include "lifecycle/suspensions.h"
#include "kernel/cgroups.h"
#include "kernel/programs.h"
#include "kernel/ring_reader.h"
#include "recording/recorder.h"
#include "sinks/output.h"
#include "util/result.h"

namespace tcpdwell {

struct SessionConfig {
  Filter filter;
  std::string netns_path;                     // of filter.netns; empty: its number is all there is
  std::optional<std::uint64_t> netns_cookie;  // of filter.netns: see keep_to_netns()
  Thresholds thresholds;
  std::size_t max_connections = 4'000'000;
  // Those that there were before anything was attached: a walk through cgroupfs takes its time.
  std::vector<CgroupName> cgroups;
  bool snapshot = true;                     // begin with the sockets that are there
  std::optional<Nanos> exit_grace;          // see LifecycleConfig
  bool flags_uncertain = false;             // ...
  StateMemory* memory = nullptr;            // ...
  bool needs_reader = true;                 // over when nobody reads the output any more
  recording::Recorder* recorder = nullptr;  // keeps the run; null: nobody does
  Observer* observer = nullptr;             // must outlive the session
};

class Session {
 public:
  // All but the config must outlive it.
  Session(SessionConfig config, const Programs& programs, Sink& sink, Output& output);

  // Writes the start record, begins to read, asks for the snapshot.
  std::optional<Error> begin();
  // Wakes the loop when it is readable.
  std::optional<Error> watch(int fd);
  // ... but only the first time: for what stays readable.
  std::optional<Error> watch_once(int fd);
  // Until `over` says so, the output fails, or nobody reads it any more (if it needs_reader).
  // `over` is called at every turn, 5 times a second at least, 20 where something happens.
  std::optional<Error> loop(const std::function<bool()>& over);
  // One more look at all sockets, for two seconds at the most; then nothing is read but what is in
  // the ring. Writes the end record.
  EndRecord finish(Programs& programs);

  // The sockets that were there are in the table.
  bool is_ready() const { return !config_.snapshot || queries_.snapshot_taken(); }
  // ... and those of them whose flag was due are flagged.
  bool is_settled(Nanos now);
  // Those in the states that have a threshold.
  std::vector<WatchedState> watched_states() const {
    return lifecycle_.watched_states(monotonic_now());
  }
  // ... but not all of them: a warning has said why.
  bool snapshot_failed() const { return queries_.snapshot_failed(); }
  recording::Recorder* recorder() const { return config_.recorder; }
  bool refused() const { return queries_.refused(); }
  // That of --netns, and nothing more can come.
  bool netns_gone() const { return queries_.netns_gone(); }
  bool netns_missing() const { return queries_.netns_missing(); }  // the snapshot did not find it
  std::uint64_t namespaces_not_entered() const { return queries_.namespaces_not_entered(); }

 private:
  Drained drain_batch();
  void look_once_more();
  void drain_rest(Nanos deadline);
  void turn();
  Nanos patience();
  void check_order(const Missed& missed);
  void follow_clocks();
  std::optional<Error> add_to_epoll(int fd, std::uint32_t events);
  void watch_output();
  bool write_out(bool now);
  void keep_record();
  std::optional<Error> sleep(Nanos wait);

  const SessionConfig config_;
  const Programs& programs_;
  Output& output_;
  const StartRecord start_;
  Lifecycle lifecycle_;
  EventPipeline pipeline_;
  LossMonitor loss_monitor_;
  KernelQueries queries_;
  std::unique_ptr<RingReader> reader_;
  UniqueFd epoll_;
  int watched_output_ = -1;
  std::vector<Worker::Answer> answers_;
  Drained drained_ = Drained::All;
  bool busy_ = false;  // records came
  Nanos clock_offset_{};
  SuspendWatch suspends_;
  Nanos last_flush_{}, last_missed_check_{}, last_busy_{};
  std::optional<Nanos> ready_at_;
  bool stop_ = false;
  bool disordered_ = false;
};

// By this machine's memory and CPUs where nothing is asked for.
std::uint32_t ring_size(std::uint64_t asked);

}  // namespace tcpdwell
