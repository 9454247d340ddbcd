// SPDX-License-Identifier: Apache-2.0
// What is asked of the kernel beside the ring: the sockets that are there at the start, whether a
// flag is due and who holds its socket, whether a connection has ended, what a cgroup is called. A
// helper thread asks; the answers come back as events.
//
// Flags that come due within 50 ms share one walk through all descriptors of the host. Walks
// take 5 % of one CPU at the most: a flag waits, up to a second, before they take more. So do
// snapshots, which put right what a loss of events left wrong, or what the kernel hid: for 30 s
// after a transition that was not seen they come every 400 ms, then ever less often, up to every 30
// s. So do looks into accept queues, which come a few times in the threshold of ACCEPT, and when
// something there is due. The port ranges of namespaces that appear are read together, too: each
// may take a walk to be found. Known ones are read again every 10 s, or less often where that takes
// more than 0.1 % of a CPU: with 100,000 connections the kernel looks at each of them to tell which
// ports are bound.
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
#include "session/port_reader.h"
#include "session/queue_watch.h"
#include "util/worker.h"

namespace tcpdwell {

class KernelQueries {
 public:
  // All must outlive it. Questions come from `lifecycle`, answers go to `pipeline`.
  KernelQueries(const Programs& programs, Lifecycle& lifecycle, EventPipeline& pipeline);
  ~KernelQueries();

  // Every socket of every network namespace that can be entered, or of that one (by its cookie);
  // from then on again whenever the table wants it. Needs somebody who drains the ring.
  void keep_snapshots(std::optional<std::uint64_t> netns_cookie);
  // ... and once more, when it is time.
  void want_snapshot() { snapshot_wanted_ = true; }
  // ... and once more, at once; not who holds them. Not while walking().
  void look_once_more(Nanos now);
  // Takes the table's new questions, and asks them when it is time.
  void tick(Nanos now);
  // When tick() has something to do, at the latest; nullopt: not before the table asks.
  std::optional<Nanos> due() const;

  int fd() const { return worker_.fd(); }
  // Apply them when all that was in the ring when they were taken is in the table.
  std::vector<Worker::Answer> take_answers() { return worker_.take_answers(); }

  bool keeps_snapshots() const { return keeps_snapshots_; }
  bool walking() const { return walking_; }  // a snapshot is being taken
  bool snapshot_taken() const { return snapshot_taken_; }
  bool snapshot_failed() const { return snapshot_failed_; }  // the last one: sockets may be missing
  // The kernel was asked about sockets, and did not answer.
  bool refused() const { return refused_; }
  std::uint64_t namespaces_not_entered() const { return not_entered_; }
  // The only namespace of interest is not there any more.
  bool netns_gone() const { return netns_gone_; }
  bool netns_missing() const { return netns_missing_; }  // the last snapshot did not find it
  // Nothing is waiting to be asked, or to be answered.
  bool idle(Nanos now) const {
    return waiting_.empty() && put_off_.empty() && !asking_ && !is_look_due(now);
  }

 private:
  void ask_for_snapshot(Nanos now, bool with_holders);
  void log_questions();
  void enqueue(const std::vector<Question>& questions, Nanos now);
  void put_off(const std::vector<Question>& questions);
  bool snapshot_is_due(Nanos now) const;
  void watch_for_unseen(Nanos now);
  void look_after_netns(Nanos now);
  std::uint64_t still_there(const std::vector<std::uint64_t>& closed);
  Worker::Answer take_snapshot(bool with_holders);
  bool is_look_due(Nanos now) const;
  void look_for_dead(Nanos now);
  // Descriptors whose connection is over, and what is known of their processes.
  struct DeadLook {
    DeadEvent dead;
    ProcessesEvent processes;
  };
  Result<DeadLook> dead_descriptors() const;
  void tell(const DeadLook& look);
  Worker::Answer find_dead();
  std::optional<Nanos> questions_due() const;
  void ask_for_port_ranges(Nanos now);
  Worker::Answer read_port_ranges(const std::vector<std::uint64_t>& netns_cookies, bool again);
  void read_ranges_again_after(Nanos cost);
  ProcessesEvent find_holders(const std::vector<Question>& questions,
                              std::vector<InquiryEvent>& answers);
  Worker::Answer answer(const std::vector<Question>& questions);
  void ask_for_queues(Nanos now);
  Worker::Answer look_into_queues(const std::vector<std::uint64_t>& netns_cookies);
  void tell(const QueueWatch::Found& found, Nanos cost);
  Nanos next_queue_walk(const AcceptQueuesEvent& event, Nanos cost) const;

  // Used on the helper thread.
  BpfIterators& iterators_;
  Namespaces namespaces_;
  OtherEnds other_ends_;
  CgroupNames cgroups_;
  std::optional<QueueWatch> queue_watch_;  // nullopt: nobody asks for accept queues
  std::atomic<bool> stop_ = false;
  PortReader port_reader_{namespaces_, stop_};
  // The rest on the thread that owns it.
  Lifecycle& lifecycle_;
  EventPipeline& pipeline_;
  std::vector<Question> waiting_;
  Nanos first_waiting_{};
  std::vector<Question> put_off_;  // their namespace is just going
  Nanos put_off_until_{};
  bool asking_ = false;
  Nanos last_asked_{-1};
  Nanos last_cost_{};  // CPU time
  bool keeps_snapshots_ = false;
  std::optional<std::uint64_t> snapshot_of_;  // by cookie; nullopt: all
  bool walking_ = false;
  bool snapshot_wanted_ = false;  // by others than the table
  bool snapshot_taken_ = false, snapshot_failed_ = false;
  bool refused_ = false;
  Nanos last_walk_{-1};
  Nanos last_walk_cost_{};             // CPU time
  std::uint64_t unseen_ = 0;           // transitions, so far
  Nanos unseen_at_{};                  // when there were more
  std::optional<Nanos> unseen_pause_;  // between walks for what is hidden; nullopt: nothing is
  std::uint64_t not_entered_ = 0;
  const bool tracing_;
  bool walking_queues_ = false, queues_refused_ = false;
  Nanos next_queue_walk_{};
  bool netns_gone_ = false, netns_missing_ = false;
  Nanos next_netns_look_{};
  Nanos next_ranges_{};        // when port ranges may be asked for again
  Nanos next_ranges_again_{};  // ... those that are known
  bool looking_ = false;       // at descriptors whose connection is over
  Nanos next_look_{};          // ... when that may be done again
  Worker worker_;              // the last: its thread ends before what it uses
};

}  // namespace tcpdwell
