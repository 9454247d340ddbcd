// SPDX-License-Identifier: Apache-2.0
// The values of filters from text. Each function throws CLI::ValidationError, with what is wrong
// and what would be right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lifecycle/filter.h"

namespace tcpdwell {

// Each value: "80", "80-90", or a service name of this host.
PortList port_list(const std::string& option, const std::vector<std::string>& texts);
std::vector<Cidr> cidr_list(const std::vector<std::string>& texts);
// Each value: an address or block, "ADDR:PORT", "[ADDR]:PORT", ":PORT" or "*:PORT".
std::vector<EndMatch> end_list(const std::string& option, const std::vector<std::string>& texts);
std::vector<std::uint32_t> pid_list(const std::vector<std::string>& texts);
// Cut to the 15 bytes that the kernel keeps of a name.
std::vector<std::string> comm_list(const std::vector<std::string>& texts);
std::bitset<kStates> state_set(const std::vector<std::string>& texts);

}  // namespace tcpdwell
