// SPDX-License-Identifier: Apache-2.0
// `run`: decides which sockets of the command were leaked and which were only closed late. A leaked
// socket is closed by the exit of its process, or by its language runtime just before
// (RecentCloses).
#pragma once

#include <cstdint>
#include <vector>

#include "lifecycle/dead_flags.h"
#include "lifecycle/flags.h"
#include "lifecycle/lifecycle_config.h"
#include "lifecycle/publisher.h"
#include "lifecycle/recent_closes.h"
#include "lifecycle/table.h"

namespace tcpdwell {

class RunJudge {
 public:
  using Id = ConnectionTable::Id;

  // All arguments must outlive this object. Without config.exit_grace it does nothing.
  RunJudge(const LifecycleConfig& config, const ConnectionTable& table, Publisher& publisher,
           Flags& flags, DeadFlags& dead, RecentCloses& closes)
      : config_(config),
        table_(table),
        publisher_(publisher),
        flags_(flags),
        dead_(dead),
        closes_(closes) {}

  // Judges the socket if `event` leaves CLOSE_WAIT, or FIN_WAIT_2 with a holding process, or closes
  // the socket in that state.
  void leaves(Id id, const TransitionEvent& event);
  // The descriptor of an ended connection was closed.
  void released(const ReleaseEvent& event);
  void exits(const ExitEvent& event);
  // The followed processes that have exited, the first kMostExited.
  static constexpr std::size_t kMostExited = 65'536;
  const std::vector<std::uint32_t>& exited() const { return exited_; }
  // A close is slow (no leak) if its process did not exit by `now`.
  void advance(Nanos now);
  void finish();

 private:
  void judge(RecentCloses::Judged judged, bool by_exit, std::uint32_t closer);
  void publish(const RecentCloses::Judged& judged);

  const LifecycleConfig& config_;
  const ConnectionTable& table_;
  Publisher& publisher_;
  Flags& flags_;
  DeadFlags& dead_;
  RecentCloses& closes_;
  std::vector<std::uint32_t> exited_;
};

}  // namespace tcpdwell
