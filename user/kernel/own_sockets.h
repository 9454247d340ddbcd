// SPDX-License-Identifier: Apache-2.0
// Makes sockets of our own, to observe what the kernel does with them.
#pragma once

#include <vector>

#include "util/unique_fd.h"

namespace tcpdwell {

// Moves the calling thread permanently into a new network namespace, which soon has one minisock in
// TIME_WAIT and one half-open request, both IPv4, while this object lives. The namespace ends with
// the thread. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
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
