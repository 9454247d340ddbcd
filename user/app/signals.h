// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGTERM and SIGHUP as something to read, in a process where they are blocked.
#pragma once

#include <optional>

#include "util/unique_fd.h"

namespace tcpdwell {

class Signals {
 public:
  // Blocks them, also where the parent had SIGINT ignored (a background job of a shell): a blocked
  // signal is queued whatever its disposition. SIGPIPE is ignored: a closed pipe is an EPIPE.
  Signals();
  int fd() const { return fd_.get(); }
  // The next one that came; nullopt: none.
  std::optional<int> next();

 private:
  UniqueFd fd_;
};

}  // namespace tcpdwell
