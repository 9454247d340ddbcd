// SPDX-License-Identifier: Apache-2.0
// Port numbers of service names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tcpdwell {

// The TCP port of a service ("http") or of one of its aliases. Reads the file of getservbyname(),
// but without the name service switch, whose modules a static build cannot load; without such a
// file (a container often has none) it knows some common names. nullopt: no such service.
std::optional<std::uint16_t> service_port(std::string_view name,
                                          const std::string& file = "/etc/services");

}  // namespace tcpdwell
