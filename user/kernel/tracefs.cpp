// SPDX-License-Identifier: Apache-2.0
#include "kernel/tracefs.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

std::optional<int> read_id(int directory, const std::string& name) {
  const std::string path = "events/" + name + "/id";
  const UniqueFd file(::openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::array<char, 16> text{};
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  int id = 0;
  if (size <= 0 || std::from_chars(text.data(), text.data() + size, id).ec != std::errc{})
    return std::nullopt;
  return id;
}

// A detached mount, which ends with its descriptor (since 5.2).
UniqueFd private_tracefs() {
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC)));
  if (!context) return UniqueFd{};
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return UniqueFd{};
  return UniqueFd(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
}

}  // namespace

std::optional<int> tracepoint_id(const std::string& name) {
  for (const char* mount : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    const UniqueFd directory(::open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) continue;
    if (const auto id = read_id(directory.get(), name)) return id;
  }
  const UniqueFd directory = private_tracefs();
  return directory ? read_id(directory.get(), name) : std::nullopt;
}

}  // namespace tcpdwell
