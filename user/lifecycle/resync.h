// SPDX-License-Identifier: Apache-2.0
// Where the table may be wrong: events that were lost or hidden, walks through all sockets, and how
// many connections the kernel's answers corrected.
#pragma once

#include <cstdint>

#include "lifecycle/connection.h"
#include "lifecycle/publisher.h"
#include "model/event.h"

namespace tcpdwell {

class Resync {
 public:
  // `publisher` must outlive this object. `began`: when all programs were attached.
  Resync(Publisher& publisher, Nanos began) : publisher_(publisher), began_(began) {}

  void lost(const LossEvent& event);
  // True if an event that should have followed one at `at` may have been lost.
  bool lost_since(Nanos at) const;

  // `connection` is in `to` at `at` without an event. Not counted if a counted loss explains it.
  void count_unseen(const Connection& connection, State to, Nanos at);
  void count_unseen(const Connection& connection);
  // A child was accepted, and no event announced it.
  void count_unseen_birth(Nanos at);
  // Transitions, at least, that happened, never came and were not counted as lost.
  std::uint64_t unseen() const { return unseen_; }

  // The kernel's answer differed from the table.
  void count_resync(Nanos at);
  // Prints the count that no `lost` record has reported yet.
  void report(Nanos at);
  void report_if_due(Nanos now);

  // A walk through all sockets would correct the table.
  void want_snapshot() { wants_snapshot_ = true; }
  bool wants_snapshot() const { return wants_snapshot_; }
  void snapshot_begins();
  void snapshot_ended() { first_walk_ = false; }
  // False during the first walk, when older sockets are missing.
  bool is_whole() const { return !first_walk_; }
  // True after the first walk: no unknown socket is older.
  bool is_walked() const { return walked_ && !first_walk_; }
  // Number of the last walk that began. Wraps.
  std::uint16_t walk() const { return walks_; }
  // A connection that is not in the table entered its state before this time. After the first walk
  // an unknown connection is not older: its beginning was lost or hidden, or the walk could not
  // enter its namespace. `evicted`: the table dropped connections.
  Nanos unseen_since(Nanos at, bool evicted) const;

 private:
  void count(std::uint64_t unseen, Nanos at);

  Publisher& publisher_;
  const Nanos began_;
  Nanos last_loss_{-1};
  LossCause last_loss_cause_ = LossCause::RingFull;
  std::uint64_t unseen_ = 0;
  std::uint64_t unexplained_ = 0;  // the part of unseen_ since unexplained_since_
  Nanos unexplained_since_{};
  std::uint64_t resynced_ = 0;  // since the last `lost` record
  Nanos resynced_at_{};
  bool wants_snapshot_ = false;
  bool first_walk_ = false;  // it is in progress
  bool walked_ = false;      // a walk began
  std::uint16_t walks_ = 0;
};

}  // namespace tcpdwell
