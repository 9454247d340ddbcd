// SPDX-License-Identifier: Apache-2.0
#include "options/defaults.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostBytes = 64U << 10U;

Error refusal(const std::string& path, const char* why, const char* hint) {
  return {path + ' ' + why, {}, hint};
}

std::optional<std::string> variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// Empty: the user has none. A relative XDG_CONFIG_HOME is invalid, by its specification.
std::string users_file() {
  const auto base = variable("XDG_CONFIG_HOME"), home = variable("HOME");
  if (base && base->starts_with('/')) return *base + "/tcpdwell.toml";
  if (home && home->starts_with('/')) return *home + "/.config/tcpdwell.toml";
  return {};
}

std::optional<Error> refuse(const std::string& path, const struct stat& info, unsigned uid) {
  constexpr const char* kOwn = "chown root it, or name it with --config";
  if (!S_ISREG(info.st_mode)) return refusal(path, "is no regular file", "--no-config ignores it");
  if (uid == 0 && info.st_uid != 0) return refusal(path, "does not belong to root", kOwn);
  if (uid == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return refusal(path, "can be written by others than root", "chmod go-w it");
  if (static_cast<std::size_t>(info.st_size) > kMostBytes)
    return refusal(path, "has more than 64 KiB", "--no-config ignores it");
  return std::nullopt;
}

// HOME may be that of another user (su without -): what is in there is none of ours.
bool is_absent(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) return true;
  struct stat info {};
  const int failed = error == EACCES && ::lstat(path.c_str(), &info) != 0 ? errno : 0;
  errno = error;
  return failed == EACCES;
}

}  // namespace

Result<std::optional<std::string>> read_defaults_file(const std::string& path, unsigned uid) {
  const UniqueFd file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!file && is_absent(path, errno)) return std::optional<std::string>{};
  if (!file && errno == ELOOP) return refusal(path, "is a symbolic link", "--no-config ignores it");
  if (!file) return system_error("opening " + path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error("reading " + path);
  if (auto error = refuse(path, info, uid)) return *error;
  std::string text(kMostBytes, '\0');
  std::size_t size = 0;
  for (ssize_t got = 1; got > 0 && size < text.size(); size += static_cast<std::size_t>(got))
    if ((got = ::read(file.get(), text.data() + size, text.size() - size)) < 0)
      return system_error("reading " + path);
  text.resize(size);
  return std::optional(std::move(text));
}

Defaults system_defaults() {
  Defaults defaults{.variable = variable, .files = {}, .read = [](const std::string& path) {
                      return read_defaults_file(path, ::geteuid());
                    }};
  if (const std::string own = users_file(); !own.empty()) defaults.files.push_back(own);
  defaults.files.emplace_back("/etc/tcpdwell.toml");
  return defaults;
}

}  // namespace tcpdwell
