// SPDX-License-Identifier: Apache-2.0
#include "where/perf_map.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "model/stack.h"

namespace tcpdwell {
namespace {

std::string bounded(std::string_view text) {
  return std::string(text.substr(0, kLongestFrameText));
}

// Takes a hexadecimal number and the space behind it.
std::optional<std::uint64_t> take_hex(std::string_view& line) {
  if (line.starts_with("0x")) line.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value, 16);
  const auto used = static_cast<std::size_t>(end - line.data());
  if (error != std::errc{} || used >= line.size() || line[used] != ' ') return std::nullopt;
  line.remove_prefix(used + 1);
  return value;
}

// Cuts ":NUMBER" off the end.
std::optional<std::uint32_t> cut_number(std::string_view& text) {
  const auto colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  const std::string_view digits = text.substr(colon + 1);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty())
    return std::nullopt;
  text = text.substr(0, colon);
  return value;
}

// "~name file:line:column": the mark says which compiler made it. Names have no spaces but those of
// "get name"; files may have some.
std::optional<SourcePlace> script_place(std::string_view name) {
  constexpr std::string_view kMarks = "~*^+-'";
  if (name.size() > 1 && kMarks.find(name.front()) != kMarks.npos) name.remove_prefix(1);
  const auto column = cut_number(name);
  const auto line = column ? cut_number(name) : std::nullopt;
  if (!line) return std::nullopt;
  auto file = name.find(" /");
  if (file == name.npos) file = name.find(" node:");
  if (file == name.npos) file = name.find(" file:");
  if (file == name.npos) file = name.rfind(' ');
  if (file == name.npos) return std::nullopt;
  SourcePlace place{.function = bounded(name.substr(0, file)),
                    .file = bounded(name.substr(file + 1)),
                    .line = *line};
  if (place.function.empty()) place.function = "(anonymous)";
  return place;
}

// Without the type that it returns: "void java.net.Socket.connect(java.net.SocketAddress)".
std::string_view without_type(std::string_view name) {
  const auto open = name.find('(');
  if (open == name.npos || open == 0 || name[open - 1] == ' ' || !name.ends_with(')')) return name;
  const auto space = name.rfind(' ', open);
  return space == name.npos ? name : name.substr(space + 1);
}

}  // namespace

SourcePlace jit_place(std::string_view name) {
  constexpr std::array<std::string_view, 5> kScripts = {
      "JS:", "LazyCompile:", "Function:", "Script:", "Eval:"};
  for (const std::string_view kind : kScripts)
    if (name.starts_with(kind))
      if (auto place = script_place(name.substr(kind.size()))) return *place;
  return {.function = bounded(without_type(name)), .file = {}};
}

PerfMap::PerfMap(std::string text) : text_(std::move(text)) {
  if (text_.size() > kLargest) text_.resize(kLargest);
  for (std::size_t at = 0; at < text_.size() && entries_.size() < kMostEntries;) {
    const std::size_t end = std::min(text_.find('\n', at), text_.size());
    std::string_view line = std::string_view(text_).substr(at, end - at);
    const auto begin = take_hex(line);
    const auto size = begin ? take_hex(line) : std::nullopt;
    at = end + 1;
    if (!size || *size == 0 || *size > std::numeric_limits<std::uint32_t>::max()) continue;
    is_of_v8_ = is_of_v8_ || line.starts_with("Builtin:");
    entries_.push_back({.begin = *begin,
                        .size = static_cast<std::uint32_t>(*size),
                        .name_at = static_cast<std::uint32_t>(line.data() - text_.data())});
  }
}

std::string_view PerfMap::name_of(const Entry& entry) const {
  const std::string_view rest = std::string_view(text_).substr(entry.name_at);
  return rest.substr(0, rest.find('\n'));
}

const PerfMap::Entry* PerfMap::entry_at(std::uint64_t address) const {
  const auto it = std::find_if(entries_.rbegin(), entries_.rend(), [&](const Entry& entry) {
    return address >= entry.begin && address - entry.begin < entry.size;
  });
  return it == entries_.rend() ? nullptr : &*it;
}

std::optional<SourcePlace> PerfMap::find(std::uint64_t address) const {
  const Entry* entry = entry_at(address);
  return entry == nullptr ? std::nullopt : std::optional(jit_place(name_of(*entry)));
}

}  // namespace tcpdwell
