// SPDX-License-Identifier: Apache-2.0
#include "kernel/sysctl_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

namespace fs = std::filesystem;

// In order of precedence.
constexpr std::string_view kDirectories[] = {"/etc/sysctl.d", "/run/sysctl.d",
                                             "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d",
                                             "/lib/sysctl.d"};
constexpr std::size_t kMostFiles = 4096;

std::vector<std::string> all_paths(const std::string& root) {
  std::map<std::string, std::string> by_name;
  for (const std::string_view directory : kDirectories) {
    std::error_code error;
    fs::directory_iterator entry(root + std::string(directory), error), end;
    for (; !error && entry != end && by_name.size() < kMostFiles; entry.increment(error))
      if (entry->path().extension() == ".conf")
        by_name.try_emplace(entry->path().filename(), entry->path());
  }
  std::vector<std::string> paths;
  for (auto& [name, path] : by_name) paths.push_back(std::move(path));
  paths.push_back(root + "/etc/sysctl.conf");
  return paths;
}

using Identity = std::pair<dev_t, ino_t>;

std::optional<Identity> regular_file(const struct stat& info) {
  return S_ISREG(info.st_mode) ? std::optional(Identity{info.st_dev, info.st_ino}) : std::nullopt;
}

// Keeps the last of several names of one file.
std::vector<std::string> regular_files(const std::string& root) {
  std::vector<std::string> paths = all_paths(root), files;
  std::set<Identity> seen;
  for (auto path = paths.rbegin(); path != paths.rend(); ++path) {
    struct stat info {};
    if (::stat(path->c_str(), &info) != 0) continue;
    const auto identity = regular_file(info);
    if (identity && seen.insert(*identity).second) files.push_back(std::move(*path));
  }
  std::reverse(files.begin(), files.end());
  return files;
}

// Opening a device or a FIFO can have effects. O_PATH has none, and the file is reopened through
// it. errno is 0 if it is no longer a regular file.
UniqueFd open_regular(const std::string& path) {
  const UniqueFd found(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat info {};
  if (!found || ::fstat(found.get(), &info) != 0) return UniqueFd{};
  errno = 0;
  if (!regular_file(info)) return UniqueFd{};
  const std::string again = "/proc/self/fd/" + std::to_string(found.get());
  return UniqueFd(::open(again.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

std::string beginning_of(const UniqueFd& file) {
  std::string text(kMostOfSysctlFile, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

void visit_sysctl_files(const std::string& root, const SysctlFileVisitor& visitor) {
  for (const std::string& path : regular_files(root)) {
    const UniqueFd file = open_regular(path);
    const int why = errno;
    if (file)
      visitor.file(path, beginning_of(file));
    else if (why != 0)
      visitor.unreadable(path, std::generic_category().message(why));
  }
}

}  // namespace tcpdwell
