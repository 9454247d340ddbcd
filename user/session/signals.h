// SPDX-License-Identifier: Apache-2.0
// Signals as something to read, in a process where they are blocked.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "util/unique_fd.h"

namespace tcpdwell {

struct Signal {
  int number = 0;
  bool by_kernel = false;  // the terminal, say; not kill() and its like
};

class Signals {
 public:
  // Trace: SIGINT, SIGTERM and SIGHUP. Run: all that somebody may send us and mean CMD, but none of
  // job control: Ctrl-Z stops tcpdwell like CMD, and fg continues both.
  enum class For : std::uint8_t { Trace, Run };

  // Blocks them, also where the parent had SIGINT ignored (a background job of a shell): a blocked
  // signal is queued whatever its disposition. SIGPIPE is ignored: a closed pipe is an EPIPE.
  // Throws std::system_error where there is no descriptor left.
  explicit Signals(For purpose = For::Trace);
  int fd() const { return fd_.get(); }
  // The next one that came; nullopt: none. A terminal that hangs up is a SIGTERM, or nothing if
  // SIGHUP was inherited as ignored (nohup); a SIGHUP is somebody's kill().
  std::optional<int> next();
  // The same as it came, with its origin.
  std::optional<Signal> take();

 private:
  UniqueFd fd_;
  bool outlives_terminal_ = false;
};

// What decides whether CMD has got a signal of the kernel, too.
struct Kinship {
  bool same_group = true;       // CMD is in our process group
  bool session_leader = false;  // we are
};
Kinship kinship_with(pid_t command);  // as it is now: CMD may leave our group

// Whether a signal that we got must be sent on to CMD. What the terminal sends it sends to the
// whole process group. Nobody can tell kill(-pgid) from kill(pid): CMD gets such a signal twice.
bool is_for_command(const Signal& signal, const Kinship& kinship);

}  // namespace tcpdwell
