// SPDX-License-Identifier: Apache-2.0
// The event loop of every command that observes this host. Owns ring, lifecycle table and output on
// one thread; a helper thread runs slow queries. No step takes longer than a batch.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "kernel/cgroups.h"
#include "kernel/programs.h"
#include "kernel/ring_reader.h"
#include "lifecycle/filter.h"
#include "lifecycle/suspensions.h"
#include "model/observer.h"
#include "model/record.h"
#include "recording/recorder.h"
#include "session/kernel_queries.h"
#include "session/loss_monitor.h"
#include "session/signals.h"
#include "session/stack_collector.h"
#include "sinks/output.h"
#include "util/result.h"

namespace tcpdwell {

struct SessionConfig {
  Filter filter;
  std::string netns_path;                     // of filter.netns; empty: only its number is known
  std::optional<std::uint64_t> netns_cookie;  // of filter.netns: see keep_to_netns()
  Thresholds thresholds;
  std::size_t max_connections = 4'000'000;
  // All cgroups, listed before anything is attached: the walk through cgroupfs is slow.
  std::vector<CgroupName> cgroups;
  bool snapshot = true;                     // begin with the existing sockets
  bool last_snapshot = true;                // end with another one, for the sake of the end record
  std::optional<Nanos> exit_grace;          // see LifecycleConfig
  bool flags_uncertain = false;             // ...
  StateMemory* memory = nullptr;            // ...
  bool needs_reader = true;                 // end when the reader of the output is gone
  recording::Recorder* recorder = nullptr;  // null: no recording
  Observer* observer = nullptr;             // must outlive the session
  BlockedReader* blocked = nullptr;         // --where; must outlive the session
  StackCollector* stacks = nullptr;         // ...
};

class Session {
 public:
  // The references must outlive it.
  Session(SessionConfig config, const Programs& programs, Sink& sink, Output& output);

  // Writes the start record, begins to read, asks for the snapshot.
  std::optional<Error> begin();
  // Wakes the loop when it is readable.
  std::optional<Error> watch(int fd);
  // The same, but only once: for a descriptor that stays readable.
  std::optional<Error> watch_once(int fd);
  // Runs until `over` returns true, the output fails, or its reader is gone (if needs_reader).
  // Calls `over` at every turn: at least 5 times a second, 20 while events come.
  std::optional<Error> loop(const std::function<bool()>& over);
  // Takes a last snapshot, for at most two seconds, drains the ring, and writes the end record.
  EndRecord finish(Programs& programs);

  // The existing sockets are in the table.
  bool is_ready() const { return !config_.snapshot || queries_.snapshot_taken(); }
  // The same, and due flags are raised.
  bool is_settled(Nanos now);
  // Sockets in the states that have a threshold.
  std::vector<WatchedState> watched_states() const {
    return lifecycle_.watched_states(monotonic_now());
  }
  // The snapshot lacks sockets; a warning has the reason.
  bool snapshot_failed() const { return queries_.snapshot_failed(); }
  const Lifecycle& lifecycle() const { return lifecycle_; }
  std::uint64_t events() const { return pipeline_.events(); }
  std::uint64_t lost() const { return pipeline_.lost(); }  // events, so far
  Nanos began() const { return start_.when.mono; }
  recording::Recorder* recorder() const { return config_.recorder; }
  bool refused() const { return queries_.refused(); }
  // The namespace of --netns is gone: no more events can come.
  bool netns_gone() const { return queries_.netns_gone(); }
  bool netns_missing() const { return queries_.netns_missing(); }  // the snapshot did not find it
  std::uint64_t namespaces_not_entered() const { return queries_.namespaces_not_entered(); }

 private:
  Drained drain_batch();
  void take_stacks();
  void take_last_snapshot();
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

// `asked` 0: by the memory and CPUs of this machine.
std::uint32_t ring_size(std::uint64_t asked);

}  // namespace tcpdwell
