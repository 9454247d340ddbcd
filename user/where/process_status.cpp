// SPDX-License-Identifier: Apache-2.0
#include "where/process_status.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

// The number behind a field of /proc/PID/status ("\nNSpid:"); the last one if there are several.
std::optional<std::uint64_t> status_field(std::string_view status, std::string_view field) {
  const auto before = status.find(field);
  if (before == status.npos) return std::nullopt;
  const auto at = before + 1;  // behind the line break that the field begins with
  const std::string_view line = status.substr(at, status.find('\n', at) - at);
  const auto digits = line.find_last_not_of("0123456789");
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(line.data() + digits + 1, line.data() + line.size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

}  // namespace

std::optional<ThreadStatus> read_status(std::uint32_t pid, std::uint32_t tid) {
  const std::string path =
      "/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/status";
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 8192> text{};
  const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
  if (size <= 0) return std::nullopt;
  const std::string_view status(text.data(), static_cast<std::size_t>(size));
  // The name of the process is the first line, and could contain anything but a line break.
  const auto voluntary = status_field(status, "\nvoluntary_ctxt_switches:");
  const auto forced = status_field(status, "\nnonvoluntary_ctxt_switches:");
  if (!voluntary || !forced) return std::nullopt;
  return ThreadStatus{
      .switches = *voluntary + *forced,
      .own_tid = static_cast<std::uint32_t>(status_field(status, "\nNSpid:").value_or(tid))};
}

}  // namespace tcpdwell
