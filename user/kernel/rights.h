// SPDX-License-Identifier: Apache-2.0
// Capabilities: what tracing needs, what is kept once everything is attached, and what is lost
// where one is missing. Which kernel check wants which is said where they are named, in rights.cpp.
#pragma once

#include <bitset>
#include <optional>
#include <vector>

#include "model/limitation.h"
#include "util/result.h"

namespace tcpdwell {

using Capabilities = std::bitset<64>;  // by CAP_* of <linux/capability.h>

// Of the calling thread.
Capabilities effective_capabilities();

// Nothing: it may load and attach tracing programs, as far as capabilities go.
std::optional<Error> why_not_trace(const Capabilities& have);

// What is still to be done when everything is attached.
struct NeededRights {
  bool other_namespaces = true;  // else only the network namespace that we are in is looked at
  bool opens_files = false;      // -o FILE again at SIGHUP, the ready file
  bool signals_command = false;  // `run`: which may have become another user
  bool calls_bpf = false;        // this kernel wants CAP_BPF for opening an iterator, too
};
Capabilities needed_for(const NeededRights& promises);
// What is promised by the loop's thread alone: the helper opens no files of the user, and signals
// nobody.
Capabilities needed_by_loop_only();

// Of what was promised, what cannot be kept with these.
std::vector<Limitation> missing_rights(const Capabilities& have, const NeededRights& promises);

// The calling thread, and those that it makes from now on, keep of what they have these alone, and
// gain nothing by an exec.
std::optional<Error> keep_only(const Capabilities& capabilities);

// The calling thread is without these for as long as this lives: to find out whether it needs them.
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
