// SPDX-License-Identifier: Apache-2.0
// Creates output files. --output, --record and --ready-file share one policy:
//
// - A new file gets the mode of the policy, since its contents are about the whole host.
// - In a directory that users other than root and us can write to, no symbolic link is followed. An
//   existing file must belong to us, to root or to the directory's owner, and have no other hard
//   link.
// - A file that is being read, or that another option writes to, is never opened.
// - No terminal becomes our controlling terminal.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "util/file_id.h"
#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell {

struct FilePolicy {
  mode_t mode = 0600;          // of a new file
  std::vector<FileId> in_use;  // never written to
};

enum class Opening : std::uint8_t {
  Emptied,    // truncates; waits for the reader of a FIFO
  Continued,  // appends; fails with ENXIO for a FIFO without a reader
  Exclusive,  // truncates; a regular file, not a symbolic link, locked with flock()
};

// Opens `path` with O_APPEND. `doing` is the start of an error message: "--output: opening /tmp/x".
Result<UniqueFd> make_file(const std::string& path, Opening opening, const FilePolicy& policy,
                           const std::string& doing);

}  // namespace tcpdwell
