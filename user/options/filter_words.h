// SPDX-License-Identifier: Apache-2.0
// The filters as a user types them: the options of the command line (--lport 80), and the same
// words elsewhere (lport=80).
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lifecycle/filter.h"
#include "util/result.h"

namespace tcpdwell {

struct FilterWord {
  const char* name;  // of the option, without dashes
  const char* type;  // of its value, in the help
  const char* help;
  bool is_list;  // several values, separated by commas
  // Adds the values to the filter. `recorded`: a name may be of another host. Throws
  // CLI::ValidationError.
  void (*add)(Filter& filter, const std::vector<std::string>& values, bool recorded);
};

inline constexpr std::size_t kFilterWords = 12;
std::span<const FilterWord, kFilterWords> filter_words();

// Values as given; empty: not given.
struct FilterTexts {
  bool ipv4 = false, ipv6 = false;
  std::array<std::vector<std::string>, kFilterWords> values;  // by filter_words()
  const std::vector<std::string>& of(std::string_view name) const;
};

// Throws CLI::ParseError.
Filter filter_of(const FilterTexts& texts, bool recorded);

// Adds one filter to `filter`: an option without its dashes, "lport=80", "comm=nginx,php-fpm",
// "remote=[::1]:http", "state=CLOSE_WAIT", or "-4", "-6". Returns what is wrong with the word.
// Together with passes() it selects sockets outside the table, say by what a user types at a
// prompt.
std::optional<Error> add_filter(std::string_view word, Filter& filter);

}  // namespace tcpdwell
