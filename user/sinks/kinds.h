// SPDX-License-Identifier: Apache-2.0
// Which records a run prints (--only). Start, lost and end records are always printed.
#pragma once

#include "model/record.h"

namespace tcpdwell {

struct Kinds {
  bool transitions = true;
  bool flags = true;
  bool connections = true;
  bool want(const Record& record) const {
    if (std::holds_alternative<TransitionRecord>(record)) return transitions;
    if (std::holds_alternative<FlagRecord>(record)) return flags;
    if (std::holds_alternative<ConnectionRecord>(record)) return connections;
    if (std::holds_alternative<FailedConnectsRecord>(record)) return transitions || connections;
    return true;
  }
};

}  // namespace tcpdwell
