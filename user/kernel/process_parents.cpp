// SPDX-License-Identifier: Apache-2.0
#include "kernel/process_parents.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <unordered_set>

#include "util/unique_fd.h"

namespace tcpdwell {

std::optional<std::uint32_t> parent_in_stat(std::string_view text) {
  const auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(name_end);
  constexpr std::size_t kParent = 4;  // ") S 1234 ...": the state is one letter
  if (text.size() <= kParent) return std::nullopt;
  std::uint32_t parent = 0;
  const auto [end, error] =
      std::from_chars(text.data() + kParent, text.data() + text.size(), parent);
  if (error != std::errc{}) return std::nullopt;
  return parent;
}

namespace {

std::optional<std::uint32_t> parent_of(std::uint32_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::array<char, 512> text;
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  if (got <= 0) return std::nullopt;
  return parent_in_stat({text.data(), static_cast<std::size_t>(got)});
}

}  // namespace

std::vector<Parent> parents_of(std::span<const std::uint32_t> pids) {
  std::vector<Parent> parents;
  std::unordered_set<std::uint32_t> seen;
  for (std::uint32_t pid : pids)
    while (pid != 0 && seen.insert(pid).second) {
      const auto parent = parent_of(pid);
      if (!parent) break;
      parents.push_back({pid, *parent});
      pid = *parent;
    }
  return parents;
}

}  // namespace tcpdwell
