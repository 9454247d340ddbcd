// SPDX-License-Identifier: Apache-2.0
// The BPF programs of bpf/, loaded and attached for as long as this object lives. Nothing is
// pinned: the kernel removes everything with the last descriptor, however the process ends.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/limitation.h"
#include "model/types.h"
#include "kernel/clock.h"
#include "kernel/bpf_iterators.h"
#include "tcpdwell/wire.h"
#include "util/result.h"

namespace tcpdwell {

struct ProgramOptions {
  tcpdwell_filter filter{};
  bool trace = true;  // else only what can be asked (BpfIterators)
  bool accept = true;
  bool follow = false;                  // tell the sockets of a command from all others
  std::uint32_t ring_bytes = 0;         // of both rings: a power of two of pages
  std::uint32_t snapshot_states = ~0U;  // which sockets a snapshot shows: 1 << State
};

// What could be attached. What could not is no error, but less exact.
struct Sees {
  bool tracing = false;            // else only what can be asked
  bool minisock_segments = false;  // the FIN to an orphan, when it comes
  bool accept = false;
  bool resets = false;
  bool cancellers = false;  // who ends a minisock or a request before its time
};

// Runs of a program that the kernel skipped, since the program was interrupted by itself.
struct Missed {
  std::uint64_t transitions = 0;  // of inet_sock_set_state
  std::uint64_t at_most = 0;      // of programs that would have ignored most of them
  std::uint64_t twice = 0;  // transitions of which the twin told, and its program was not skipped
};

class Programs {
 public:
  // Errors: no rights, no BTF, a kernel symbol that is not there or hidden, a program that the
  // kernel refuses.
  static Result<Programs> attach(const ProgramOptions& options);
  Programs(Programs&&) noexcept;
  Programs& operator=(Programs&&) noexcept;
  ~Programs();

  std::array<int, 2> ring_fds() const;  // for RingReader
  tcpdwell_shared& shared() const;
  const Sees& sees() const { return sees_; }
  BpfIterators& iterators() const;
  // What this host does not give, of all that was asked for.
  const std::vector<Limitation>& limitations() const { return limitations_; }
  // Whether what is done from now on needs CAP_BPF still, on this kernel. It is tried.
  bool calls_need_rights() const;
  // This process and all that it forks from now on. Needs ProgramOptions::follow.
  std::optional<Error> follow(int pidfd) const;
  // Of the number that the filter has, only the namespace with this cookie from now on.
  void keep_to_netns(std::uint64_t cookie) const;
  Missed missed() const;  // since attach()
  Nanos began() const { return began_; }
  // No event comes after this. The ring can still be read.
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

// Ticks of the kernel's timers a second.
unsigned kernel_hz();

}  // namespace tcpdwell
