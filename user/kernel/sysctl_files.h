// SPDX-License-Identifier: Apache-2.0
// The files that set sysctls at boot, as sysctl.d(5) and sysctl(8) read them. They are untrusted:
// only regular files are read, up to a limit.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace tcpdwell {

struct SysctlFileVisitor {
  // `text` is its beginning, up to kMostOfSysctlFile bytes.
  std::function<void(const std::string& path, std::string_view text)> file;
  // A file that exists but cannot be read; `why`: the system's message.
  std::function<void(const std::string& path, const std::string& why)> unreadable;
};
inline constexpr std::size_t kMostOfSysctlFile = 1U << 20U;

// Visits the files in the order of `sysctl --system`: *.conf of all directories by name, for equal
// names only that of the first directory, then /etc/sysctl.conf. Visits a file with several names
// once, under the last. `root` precedes each path.
void visit_sysctl_files(const std::string& root, const SysctlFileVisitor& visitor);

}  // namespace tcpdwell
