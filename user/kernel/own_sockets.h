// SPDX-License-Identifier: Apache-2.0
// Sockets of our own, to learn from what the kernel does with them.
#pragma once

#include <vector>

#include "util/unique_fd.h"

namespace tcpdwell {

// Puts the calling thread, for good, into a new network namespace in which there is soon one
// minisock in TIME_WAIT and one half-open request, both IPv4, for as long as this lives. The
// namespace goes with the thread. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
class OwnSockets {
 public:
  OwnSockets();
  explicit operator bool() const { return made_; }

 private:
  bool make_minisock();
  bool make_request();
  std::vector<UniqueFd> kept_;
  bool made_ = false;
};

}  // namespace tcpdwell
