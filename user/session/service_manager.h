// SPDX-License-Identifier: Apache-2.0
// Talks to systemd, or to whatever set NOTIFY_SOCKET and passes sockets as it does (sd_notify(3),
// sd_listen_fds(3)). Without these variables it does nothing.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell {

class ServiceManager {
 public:
  ServiceManager();

  // Everything is attached and existing sockets are known.
  void ready() { notify("READY=1"); }
  void stopping() { notify("STOPPING=1"); }
  // Call it at every turn of the loop: reports now and then that the loop still turns.
  void alive(std::chrono::nanoseconds now);

 private:
  void notify(std::string_view state) const;

  std::string socket_;  // empty: none
  std::optional<std::chrono::nanoseconds> period_;
  std::chrono::nanoseconds next_{};
};

// The first socket that was passed to us, if it is a listening TCP socket. nullopt: none was
// passed. Call it once.
std::optional<Result<UniqueFd>> passed_socket();

}  // namespace tcpdwell
