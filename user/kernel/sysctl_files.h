// SPDX-License-Identifier: Apache-2.0
// The files that set sysctls at boot, as sysctl.d(5) and sysctl(8) read them. What is in them is
// untrusted: no file is read that is not a regular one, and none without end.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace tcpdwell {

struct SysctlFileVisitor {
  // `text` is its beginning, up to kMostOfSysctlFile bytes.
  std::function<void(const std::string& path, std::string_view text)> file;
  // One that is there and may not be read; `why` is what the system says.
  std::function<void(const std::string& path, const std::string& why)> unreadable;
};
inline constexpr std::size_t kMostOfSysctlFile = 1U << 20U;

// In the order in which `sysctl --system` applies them: *.conf of all directories by name, of those
// with one name the one of the first directory alone, then /etc/sysctl.conf. A file that several
// names lead to comes once, under the last. `root` is put before each path.
void visit_sysctl_files(const std::string& root, const SysctlFileVisitor& visitor);

}  // namespace tcpdwell
