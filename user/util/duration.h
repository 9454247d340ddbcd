// SPDX-License-Identifier: Apache-2.0
// Parses and prints durations.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tcpdwell {

// "250ms", "30s", "5m", "1h", "2m30s", "1d", "10us", "500ns"; a bare number is seconds. Units come
// in descending order, each at most once. nullopt: anything else, or more than 292 years.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

// "17us", "812us", "41.3ms", "4.507s", "61.044s", "2m03s", "2h03m", "5d02h": rounded down; at most
// 7 characters below 1000 days.
std::string format_duration(std::chrono::nanoseconds duration);

}  // namespace tcpdwell
