// SPDX-License-Identifier: Apache-2.0
// Blocks signals and reads them from a descriptor.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "util/unique_fd.h"

namespace tcpdwell {

struct Signal {
  int number = 0;
  bool by_kernel = false;  // for example by the terminal; false: by kill()
};

class Signals {
 public:
  // Trace: SIGINT, SIGTERM and SIGHUP. Run: all signals that may be meant for CMD, without job
  // control: Ctrl-Z stops both tcpdwell and CMD, and fg continues both.
  enum class For : std::uint8_t { Trace, Run };

  // Blocks the signals, even if SIGINT was inherited as ignored (a background job of a shell): the
  // kernel queues a blocked signal whatever its disposition. Ignores SIGPIPE: a closed pipe gives
  // EPIPE. Throws std::system_error if no descriptor is left.
  explicit Signals(For purpose = For::Trace);
  int fd() const { return fd_.get(); }
  // The next pending signal; nullopt: none. A hangup of the terminal counts as SIGTERM, or as
  // nothing if SIGHUP was inherited as ignored (nohup). SIGHUP is returned only if kill() sent it.
  std::optional<int> next();
  // The next pending signal unchanged, with its origin.
  std::optional<Signal> take();

 private:
  UniqueFd fd_;
  bool outlives_terminal_ = false;
};

// Decides whether CMD also got a signal that the kernel sent.
struct Kinship {
  bool same_group = true;       // CMD is in our process group
  bool session_leader = false;  // we are
};
Kinship kinship_with(pid_t command);  // the current one: CMD may leave our group

// Whether to forward a signal to CMD. The terminal signals the whole process group. kill(-pgid) and
// kill(pid) look alike, so CMD gets the former twice.
bool is_for_command(const Signal& signal, const Kinship& kinship);

}  // namespace tcpdwell
