// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "where/demangle.h"

namespace tcpdwell {
namespace {

using Escape = std::pair<std::string_view, char>;
constexpr std::array kEscapes{Escape{"SP", '@'}, Escape{"BP", '*'}, Escape{"RF", '&'},
                              Escape{"LT", '<'}, Escape{"GT", '>'}, Escape{"LP", '('},
                              Escape{"RP", ')'}, Escape{"C", ','}};

// Between two '$'. Of "u7b" only characters that are safe to print.
std::optional<char> character_of(std::string_view escape) {
  const auto* known = std::ranges::find(kEscapes, escape, &Escape::first);
  if (known != kEscapes.end()) return known->second;
  if (!escape.starts_with('u')) return std::nullopt;
  escape.remove_prefix(1);
  unsigned code = 0;
  const auto [end, error] = std::from_chars(escape.data(), escape.data() + escape.size(), code, 16);
  const bool printable = code >= ' ' && code <= '~';
  if (error != std::errc{} || end != escape.data() + escape.size() || !printable)
    return std::nullopt;
  return static_cast<char>(code);
}

}  // namespace

std::string unescape_rust(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    // A part that would begin with an escape has '_' before it.
    const bool begins = text.empty() || text.ends_with("::");
    if (begins && name.starts_with("_$")) name.remove_prefix(1);
    if (name.starts_with("..")) {
      text += "::";
      name.remove_prefix(2);
      continue;
    }
    const auto end = name.starts_with('$') ? name.find('$', 1) : name.npos;
    const auto escaped = end != name.npos ? character_of(name.substr(1, end - 1)) : std::nullopt;
    text += escaped.value_or(name.front());
    name.remove_prefix(escaped ? end + 1 : 1);
  }
  return text;
}

}  // namespace tcpdwell
