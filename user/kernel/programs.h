// SPDX-License-Identifier: Apache-2.0
// The BPF programs of bpf/, loaded and attached while this object lives. Nothing is pinned: the
// kernel removes everything with the last descriptor, however the process ends.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/bpf_iterators.h"
#include "kernel/clock.h"
#include "model/limitation.h"
#include "model/types.h"
#include "tcpdwell/wire.h"
#include "util/result.h"

namespace tcpdwell {

struct ProgramOptions {
  tcpdwell_filter filter{};
  bool trace = true;  // false: only iterators (BpfIterators)
  bool accept = true;
  bool follow = false;                  // mark the sockets of a command
  std::uint32_t ring_bytes = 0;         // of both rings: a power of two of pages
  std::uint32_t snapshot_states = ~0U;  // states in a snapshot: 1 << State
};

// The programs that are attached. A missing one is not an error, but makes results less exact.
struct Sees {
  bool tracing = false;            // false: only iterators
  bool minisock_segments = false;  // the FIN to an orphan, when it comes
  bool accept = false;
  bool resets = false;
  bool cancellers = false;  // why a minisock or a request ends early
  // --where: the stacks of the threads that opened a socket, and that read its end of stream
  bool opened = false, eof_read = false;
};

// Program runs that the kernel skipped because the program would have interrupted itself.
struct Missed {
  std::uint64_t transitions = 0;  // of inet_sock_set_state
  std::uint64_t at_most = 0;      // of programs that would have ignored most of them
  std::uint64_t twice = 0;  // transitions that the backup program reported without a skipped run
};

class Programs {
 public:
  // Errors: no rights, no BTF, a kernel symbol that is absent or hidden, a program that the kernel
  // refuses.
  static Result<Programs> attach(const ProgramOptions& options);
  Programs(Programs&&) noexcept;
  Programs& operator=(Programs&&) noexcept;
  ~Programs();

  std::array<int, 2> ring_fds() const;  // for RingReader
  tcpdwell_shared& shared() const;
  const Sees& sees() const { return sees_; }
  BpfIterators& iterators() const;
  // What this host cannot do of what the options ask for.
  const std::vector<Limitation>& limitations() const { return limitations_; }
  // Whether this kernel still needs CAP_BPF for what follows. Found by trying.
  bool calls_need_rights() const;
  // Follows this process and its later children. Needs ProgramOptions::follow.
  std::optional<Error> follow(int pidfd) const;
  int followed_tasks() const;  // the map of what follow() marks
  // Limits the namespace filter to the namespace with this cookie: its number may be reused.
  void keep_to_netns(std::uint64_t cookie) const;
  Missed missed() const;  // since attach()
  Nanos began() const { return began_; }
  // Stops all events. The ring can still be read.
  void detach();

 private:
  struct Impl;
  explicit Programs(std::unique_ptr<Impl> impl);
  std::optional<Error> attach_tracing(const ProgramOptions& options);
  void note_missing(const ProgramOptions& options);
  std::unique_ptr<Impl> impl_;
  Sees sees_;
  std::vector<Limitation> limitations_;
  Nanos began_{};
};

// Ticks of the kernel timers per second.
unsigned kernel_hz();

}  // namespace tcpdwell
