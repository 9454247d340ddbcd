// SPDX-License-Identifier: Apache-2.0
// Capabilities: those that tracing needs, those that are kept once everything is attached, and the
// effect of a missing one. rights.cpp names the kernel check for each.
#pragma once

#include <bitset>
#include <optional>
#include <vector>

#include "model/limitation.h"
#include "util/result.h"

namespace tcpdwell {

using Capabilities = std::bitset<64>;  // by CAP_* of <linux/capability.h>

// The effective set of the calling thread.
Capabilities effective_capabilities();

// nullopt: the capabilities suffice to load and attach tracing programs.
std::optional<Error> why_not_trace(const Capabilities& have);

// The operations that follow once everything is attached.
struct NeededRights {
  bool other_namespaces = true;  // false: only our own network namespace
  bool opens_files = false;      // -o FILE again at SIGHUP, the ready file
  bool signals_command = false;  // `run`: CMD may run as another user
  bool reads_processes = false;  // --where: memory and mapped files of other processes
  bool calls_bpf = false;        // this kernel needs CAP_BPF to open an iterator
};
Capabilities needed_for(const NeededRights& needs);
// Capabilities that only the loop's thread needs: the helper opens no files of the user and sends
// no signals.
Capabilities needed_by_loop_only();

// Limitations of these operations with the given capabilities.
std::vector<Limitation> missing_rights(const Capabilities& have, const NeededRights& needs);

// Reduces the calling thread and its later threads to these capabilities; an exec adds none.
std::optional<Error> keep_only(const Capabilities& capabilities);

// Drops these capabilities of the calling thread while the object lives, to test whether they are
// needed.
class Without {
 public:
  explicit Without(const Capabilities& capabilities);
  ~Without();
  Without(const Without&) = delete;
  Without& operator=(const Without&) = delete;

 private:
  Capabilities before_;
};

// What the kernel calls bpf_capable() and perfmon_capable().
Capabilities bpf_capabilities();

}  // namespace tcpdwell
