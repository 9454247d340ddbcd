// SPDX-License-Identifier: Apache-2.0
// Our pid namespace, as the BPF programs compare it (tracer_pidns).
#pragma once

#include <sys/stat.h>

#include <cstdint>

namespace tcpdwell {

// Its inode number; 0: the initial one.
inline std::uint32_t own_pidns() {
  constexpr ino_t kInitial = 0xEFFFFFFC;  // PROC_PID_INIT_INO
  struct stat info {};
  if (::stat("/proc/self/ns/pid", &info) != 0 || info.st_ino == kInitial) return 0;
  return static_cast<std::uint32_t>(info.st_ino);
}

}  // namespace tcpdwell
