// SPDX-License-Identifier: Apache-2.0
// Files of /proc/PID as text.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "util/unique_fd.h"

namespace tcpdwell {

inline constexpr std::size_t kMostProcText = 4096;

inline std::string proc(std::uint32_t pid, std::string_view what) {
  return "/proc/" + std::to_string(pid) + '/' + std::string(what);
}

inline std::string read_text(const std::string& path, std::size_t most = kMostProcText) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::string text(most, '\0');
  std::size_t size = 0;
  while (size < most) {
    const ssize_t got = ::read(file.get(), text.data() + size, most - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace tcpdwell
