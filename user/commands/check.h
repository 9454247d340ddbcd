// SPDX-License-Identifier: Apache-2.0
// `check`: whether and how exactly this host can be traced, found out by doing it; what its TCP
// sysctls mean for what will be seen; and which settings of sysctl files do not do what they look
// like.
#pragma once

#include <optional>
#include <string>

#include "lifecycle/filter.h"
#include "kernel/sysctls.h"
#include "sinks/check_report.h"
#include "util/result.h"

namespace tcpdwell {

struct CheckConfig {
  std::optional<NetnsChoice> netns;  // whose sysctls, and the only one that a trace would look into
};

struct Checked {
  CheckReport report;
  // Why not, where it cannot be traced or `netns` not looked into. The report says it, too.
  std::optional<Error> refusal;
};

// Nothing stays attached. A line on stderr names each sysctl file that could not be read, or not as
// a whole.
Checked check(const CheckConfig& config);

}  // namespace tcpdwell
