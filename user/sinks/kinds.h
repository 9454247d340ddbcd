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
    return std::visit(
        Overloaded{[this](const TransitionRecord&) { return transitions; },
                   [this](const FlagRecord&) { return flags; },
                   [this](const ConnectionRecord&) { return connections; },
                   [this](const FailedConnectsRecord&) { return transitions || connections; },
                   [](const StartRecord&) { return true; }, [](const LostRecord&) { return true; },
                   [](const ClockRecord&) { return true; }, [](const EndRecord&) { return true; }},
        record);
  }
};

}  // namespace tcpdwell
