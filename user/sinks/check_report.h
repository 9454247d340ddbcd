// SPDX-License-Identifier: Apache-2.0
// The result of `tcpdwell check`, as one JSON object and as text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/sysctl_facts.h"
#include "host/sysctl_mistakes.h"
#include "host/tcp_timeouts.h"
#include "model/limitation.h"
#include "model/record.h"
#include "sinks/text_format.h"

namespace tcpdwell {

struct CheckReport {
  When when;
  std::string kernel;
  unsigned hz = 0;
  std::uint32_t netns = 0;  // whose sysctls
  bool traceable = false;
  // capability -> "exact" | "jiffy" | "poll" | "no", in the order to print
  std::vector<std::pair<std::string, std::string>> sees;
  std::vector<Limitation> missing;
  std::vector<SysctlFact> sysctls;  // empty: they could not be read
  std::vector<SysctlMistake> sysctl_mistakes;
  TimerBounds time_wait;
};

// One line, with its '\n'.
std::string check_json(const CheckReport& report);
// Without `style.header`, only problems: limitations and sysctl mistakes.
std::string check_text(const CheckReport& report, const TextStyle& style);

// "when TIME_WAIT begins and ends": what a capability of StartRecord::sees is. Empty: not known.
std::string_view capability_text(std::string_view capability);

}  // namespace tcpdwell
