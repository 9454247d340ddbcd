// SPDX-License-Identifier: Apache-2.0
// `run`: which of the command's sockets were left behind, and which were only slow. A process that
// exits closes what it forgot to close; an interpreter does so just before it exits (RunBook).
#pragma once

#include <cstdint>

#include "lifecycle/dead_flags.h"
#include "lifecycle/flags.h"
#include "lifecycle/lifecycle_config.h"
#include "lifecycle/publisher.h"
#include "lifecycle/run_book.h"
#include "lifecycle/table.h"

namespace tcpdwell {

class RunJudge {
 public:
  using Id = ConnectionTable::Id;

  // All must outlive it. Without config.exit_grace it does nothing.
  RunJudge(const LifecycleConfig& config, const ConnectionTable& table, Publisher& publisher,
           Flags& flags, DeadFlags& dead, RunBook& book)
      : config_(config),
        table_(table),
        publisher_(publisher),
        flags_(flags),
        dead_(dead),
        book_(book) {}

  // `event` ends CLOSE_WAIT, or FIN_WAIT_2 while a process holds the socket, or closes it there.
  void leaves(Id id, const TransitionEvent& event);
  // The descriptor of a connection that is over was closed.
  void released(const ReleaseEvent& event);
  void exits(const ExitEvent& event);
  // A close is slow if its process lives on.
  void advance(Nanos now);
  void finish();

 private:
  void judge(RunBook::Judged judged, bool by_exit, std::uint32_t closer);
  void tell(const RunBook::Judged& judged);

  const LifecycleConfig& config_;
  const ConnectionTable& table_;
  Publisher& publisher_;
  Flags& flags_;
  DeadFlags& dead_;
  RunBook& book_;
};

}  // namespace tcpdwell
