// SPDX-License-Identifier: Apache-2.0
// The sysctls that decide how long TCP connections are in which state, and what their values mean
// for what will be seen. Pure: whoever reads them hands them in.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

// As `sysctl -n NAME` prints them; one that is not there is not in it.
using SysctlValues = std::map<std::string, std::string, std::less<>>;

struct SysctlFact {
  std::string name;
  std::optional<std::string> value;  // nullopt: this kernel, or network namespace, has none
  std::string effect;                // one sentence without its end
};

// "net.ipv4.tcp_fin_timeout", ...: in the order to print.
std::span<const std::string_view> sysctl_names();
// One for each of them. What a value means can depend on another one.
std::vector<SysctlFact> explain_sysctls(const SysctlValues& values, unsigned hz);

}  // namespace tcpdwell
