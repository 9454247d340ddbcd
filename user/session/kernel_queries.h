// SPDX-License-Identifier: Apache-2.0
// Queries to the kernel beside the ring: existing sockets, whether a flag is due and which
// processes hold its socket, whether a connection has ended, names of cgroups. A helper thread
// asks; the answers come back as events.
// Flags that come due within 50 ms share one walk through all descriptors of the host. Iterators
// take at most 5 % of one CPU; beyond that a flag waits up to a second. The same limit holds for
// snapshots, which correct the table after a loss, and after a transition that was not seen: for
// 30 s every 400 ms, then at intervals that grow to 30 s. And it holds for walks of accept queues,
// which run a few times within the threshold of ACCEPT and when an entry is due. Port ranges of new
// namespaces are read together, because finding each may take a walk. Known ranges are read again
// every 10 s, or less often if that takes more than 0.1 % of a CPU: to list bound ports the kernel
// visits each connection.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernel/cgroups.h"
#include "kernel/namespaces.h"
#include "kernel/other_ends.h"
#include "kernel/programs.h"
#include "pipeline/event_pipeline.h"
#include "session/blocked_reader.h"
#include "session/port_reader.h"
#include "session/question_schedule.h"
#include "session/queue_watch.h"
#include "session/stack_collector.h"
#include "session/walk_schedule.h"
#include "util/worker.h"

namespace tcpdwell {

class KernelQueries {
 public:
  // All must outlive it. Queries come from `lifecycle`, answers go to `pipeline`.
  // `blocked` and `stacks` are for --where; nullptr: without it.
  KernelQueries(const Programs& programs, Lifecycle& lifecycle, EventPipeline& pipeline,
                BlockedReader* blocked, StackCollector* stacks);
  ~KernelQueries();

  // Takes a snapshot of every network namespace that can be entered, or of one (by its cookie);
  // takes another whenever the table asks for it. The ring must be drained meanwhile.
  void keep_snapshots(std::optional<std::uint64_t> netns_cookie);
  // Takes another snapshot when it is due.
  void want_snapshot() { snapshot_wanted_ = true; }
  // Takes another snapshot at once, without holders. Do not call it while walking().
  void walk_once_more(Nanos now);
  // Takes new queries from the table, and sends them when they are due.
  void tick(Nanos now);
  // The latest time for the next tick(); nullopt: none before the table asks.
  std::optional<Nanos> due() const;

  int fd() const { return worker_.fd(); }
  // Apply the answers after the records that were in the ring when they were taken.
  std::vector<Worker::Answer> take_answers() { return worker_.take_answers(); }

  bool keeps_snapshots() const { return keeps_snapshots_; }
  bool walking() const { return walking_; }  // a snapshot is being taken
  bool snapshot_taken() const { return snapshot_taken_; }
  bool snapshot_failed() const { return snapshot_failed_; }  // the last snapshot lacks sockets
  // The kernel refused a query about sockets.
  bool refused() const { return refused_; }
  std::uint64_t namespaces_not_entered() const { return not_entered_; }
  // The namespace of --netns is gone.
  bool netns_gone() const { return netns_gone_; }
  bool netns_missing() const { return netns_missing_; }  // the last snapshot did not find it
  // No query is pending.
  bool idle(Nanos now) const {
    return waiting_.empty() && put_off_.empty() && !asking_ && !is_dead_walk_due(now);
  }

 private:
  void ask_for_snapshot(Nanos now, bool with_holders);
  void log_questions();
  void enqueue(const std::vector<Question>& questions, Nanos now);
  void put_off(const std::vector<Question>& questions);
  bool snapshot_is_due(Nanos now) const;
  void check_netns(Nanos now);
  std::uint64_t still_there(const std::vector<std::uint64_t>& closed);
  Worker::Answer take_snapshot(bool with_holders);
  bool is_dead_walk_due(Nanos now) const;
  void walk_for_dead(Nanos now);
  // Descriptors whose connection is over, with facts about their processes.
  struct DeadWalk {
    DeadEvent dead;
    ProcessesEvent processes;
  };
  Result<DeadWalk> dead_descriptors();
  ProcessesEvent facts_from(ProcessReader& processes);
  void tell(const DeadWalk& walk);
  Worker::Answer find_dead();
  std::optional<Nanos> questions_due() const;
  void ask_for_port_ranges(Nanos now);
  Worker::Answer read_port_ranges(const std::vector<std::uint64_t>& netns_cookies, bool again);
  void read_ranges_again_after(Nanos cost);
  ProcessesEvent find_holders(const std::vector<Question>& questions,
                              std::vector<InquiryEvent>& answers);
  void wait_for_stacks();
  Worker::Answer answer(const std::vector<Question>& questions);
  void ask_for_queues(Nanos now);
  Worker::Answer walk_queues(const std::vector<std::uint64_t>& netns_cookies);
  void tell(const QueueWatch::Found& found, Nanos cost);
  Nanos next_queue_walk(const AcceptQueuesEvent& event, Nanos cost) const;

  // Used on the helper thread.
  BpfIterators& iterators_;
  Namespaces namespaces_;
  OtherEnds other_ends_;
  BlockedReader* blocked_;
  StackCollector* stacks_;
  CgroupNames cgroups_;
  std::optional<QueueWatch> queue_watch_;  // nullopt: nobody wants walks
  std::atomic<bool> stop_ = false;
  PortReader port_reader_{namespaces_, stop_};
  // Used on the owner's thread.
  Lifecycle& lifecycle_;
  EventPipeline& pipeline_;
  std::vector<Question> waiting_;
  QuestionSchedule question_schedule_;  // of `waiting_`
  std::vector<Question> put_off_;       // their namespace is about to go
  Nanos put_off_until_{};
  bool asking_ = false;
  bool keeps_snapshots_ = false;
  std::optional<std::uint64_t> snapshot_of_;  // by cookie; nullopt: all
  bool walking_ = false;
  bool snapshot_wanted_ = false;  // requested by the caller, not by the table
  bool snapshot_taken_ = false, snapshot_failed_ = false;
  bool refused_ = false;
  WalkSchedule schedule_;
  std::uint64_t not_entered_ = 0;
  const bool tracing_;
  bool walking_queues_ = false, queues_refused_ = false;
  Nanos next_queue_walk_{};
  bool netns_gone_ = false, netns_missing_ = false;
  Nanos next_netns_check_{};
  Nanos next_ranges_{};        // earliest next query of new port ranges
  Nanos next_ranges_again_{};  // of known ones
  bool walking_dead_ = false;  // walking descriptors whose connection is over
  Nanos next_dead_walk_{};     // earliest next such walk
  Worker worker_;              // last: its thread ends before the members that it uses
};

}  // namespace tcpdwell
