// SPDX-License-Identifier: Apache-2.0
// Makes the files that are written: --output, --record and --ready-file have one policy.
//
// - A new file gets the mode of the policy: what it will hold is about the whole host.
// - In a directory that others can write to (not only root and we), no symbolic link is followed,
//   and a file that is there must be ours, root's or the directory's owner's, and have one name.
// - A file that is being read, or that another option writes to, is never touched.
// - Nothing becomes our controlling terminal.
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
  mode_t mode = 0600;          // of a file that is made
  std::vector<FileId> in_use;  // never written to
};

enum class Opening : std::uint8_t {
  Emptied,    // waits for the reader of a FIFO
  Continued,  // what is there stays; ENXIO for a FIFO without a reader
  Exclusive,  // a regular file, by its own name, which nobody else has open in this way; emptied
};

// Opens `path` to append to it. `doing` begins the error: "--output: opening /tmp/x".
Result<UniqueFd> make_file(const std::string& path, Opening opening, const FilePolicy& policy,
                           const std::string& doing);

}  // namespace tcpdwell
