// SPDX-License-Identifier: Apache-2.0
// The sysctls that decide how long TCP connections stay in each state, and what their values mean
// for a trace. Pure: the caller reads the values.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

// Name -> value as `sysctl -n NAME` prints it. A sysctl that does not exist is not in the map.
using SysctlValues = std::map<std::string, std::string, std::less<>>;

struct SysctlFact {
  std::string name;
  std::optional<std::string> value;  // nullopt: this kernel, or network namespace, has none
  std::string effect;                // one sentence without its full stop
};

// "net.ipv4.tcp_fin_timeout", ...: in the order to print.
std::span<const std::string_view> sysctl_names();
// One fact for each name. The effect of a sysctl can depend on the values of others.
std::vector<SysctlFact> explain_sysctls(const SysctlValues& values, unsigned hz);

}  // namespace tcpdwell
