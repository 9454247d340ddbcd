// SPDX-License-Identifier: Apache-2.0
// Listeners whose accept queue was full at a walk in the last minutes. While it is full the kernel
// drops the SYNs and the last ACKs of handshakes (tcp_conn_request(), tcp_v4_syn_recv_sock()), so
// that they are sent again a second later.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>

#include "model/full_queue.h"

namespace tcpdwell {

class FullListeners {
 public:
  // Times do not decrease. Forgets those that are too old for any handshake.
  void saw(const FullQueue& queue, Nanos at);
  // The queue that the handshake of `flow` had to pass, if it was full at a walk between `begin`
  // and `end`. A client's (`at_client`) is known if its listener is in the same network namespace.
  // Which listener answers cannot be told if several were full on one port: the fullest counts.
  std::optional<FullQueue> during(const Flow& flow, bool at_client, Nanos begin, Nanos end) const;

 private:
  struct Seen {
    FullQueue queue;
    Nanos at{};  // of the last walk that found it full
  };
  absl::flat_hash_map<std::uint64_t, Seen> seen_;  // by cookie
};

}  // namespace tcpdwell
