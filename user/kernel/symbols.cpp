// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbols.h"

#include <algorithm>
#include <charconv>
#include <istream>

namespace tcpdwell {
namespace {

struct Line {
  std::uint64_t address = 0;
  std::string_view name;
};

// "ffffffff82006070 t tw_timer_handler", of a module with "\t[name]" behind it.
std::optional<Line> parse(std::string_view text) {
  Line line;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), line.address, 16);
  const auto used = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || text.size() < used + 4) return std::nullopt;
  if (std::string_view("tTwW").find(text[used + 1]) == std::string_view::npos) return std::nullopt;
  line.name = text.substr(used + 3);
  line.name = line.name.substr(0, line.name.find('\t'));
  return line;
}

// A compiler's copy of the function is the function; a piece that it split off (.cold, .part) does
// not begin where the function does.
bool is(std::string_view symbol, std::string_view wanted) {
  if (!symbol.starts_with(wanted)) return false;
  const std::string_view suffix = symbol.substr(wanted.size());
  return suffix.empty() || (suffix[0] == '.' && suffix.find(".cold") == suffix.npos &&
                            suffix.find(".part") == suffix.npos);
}

}  // namespace

std::vector<Symbol> find_symbols(std::span<const std::string_view> names, std::istream& list) {
  std::vector<Symbol> found;
  std::vector<std::uint64_t> starts;
  for (std::string text; std::getline(list, text);) {
    const auto line = parse(text);
    if (!line || line->address == 0) continue;
    starts.push_back(line->address);
    for (const std::string_view name : names)
      if (is(line->name, name)) found.push_back({std::string(name), line->address, 0});
  }
  if (!std::is_sorted(starts.begin(), starts.end())) std::sort(starts.begin(), starts.end());
  for (Symbol& symbol : found) {
    const auto next = std::upper_bound(starts.begin(), starts.end(), symbol.begin);
    symbol.end = next == starts.end() ? symbol.begin + 4096 : *next;
  }
  return found;
}

}  // namespace tcpdwell
