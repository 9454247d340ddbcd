// SPDX-License-Identifier: Apache-2.0
// Finds connections that stay too long in a short-lived state. Some kernels hide events from BPF
// and count no loss; then only a question to the kernel helps. Scans the table a part at a time,
// and bounds the questions.
#pragma once

#include <vector>

#include "lifecycle/questions.h"
#include "lifecycle/table.h"

namespace tcpdwell {

class StaleScan {
 public:
  struct Config {
    // Ask within a second; false for recordings that have no such answers: ask much later.
    bool asks_soon = false;
    bool sees_segments = false;  // for minisocks: TIME_WAIT never begins unseen
    unsigned hz = 250;
  };

  // `table` must outlive this object.
  StaleScan(const ConnectionTable& table, const Config& config) : table_(table), config_(config) {}

  // Connections to ask about now, and newborns that will never be announced. Valid until the next
  // call.
  const std::vector<ConnectionTable::Id>& due(Nanos now);

 private:
  bool is_stale(const Connection& connection, Nanos now, Nanos gap) const;
  static bool is_stale_later(const Connection& connection, Nanos age);
  Nanos time_beyond(const Connection& connection, Nanos now) const;

  const ConnectionTable& table_;
  const Config config_;
  std::vector<ConnectionTable::Id> due_;
  ConnectionTable::Id hand_ = 0;  // where the next scan continues
  Nanos scanned_{-1};
  QuestionBudget budget_;
};

}  // namespace tcpdwell
