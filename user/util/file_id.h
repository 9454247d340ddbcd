// SPDX-License-Identifier: Apache-2.0
// Identifies a file independently of its name.
#pragma once

#include <sys/stat.h>

#include <optional>

namespace tcpdwell {

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};

inline FileId id_of(const struct stat& info) { return {info.st_dev, info.st_ino}; }

// nullopt: fstat() failed, so the descriptor is closed.
inline std::optional<FileId> id_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? std::optional(id_of(info)) : std::nullopt;
}

}  // namespace tcpdwell
