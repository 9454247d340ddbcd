// SPDX-License-Identifier: Apache-2.0
// Addresses from bpf/symbols.bpf.c, if /proc/kallsyms hides them. Each call loads and unloads a
// small BPF object.
#pragma once

#include <cstdint>
#include <string>

namespace tcpdwell {

// The functions in /proc/kallsyms, in its format, with addresses. Empty: this kernel has no
// iter/ksym (since 6.0), or refuses it.
std::string list_kernel_functions();

// The functions that the timers of a minisock and of a request call; 0: unknown.
struct TimerHandlers {
  std::uint64_t timewait = 0, request = 0;
};

// Reads them from sockets of our own in a temporary network namespace. Takes a few milliseconds, or
// a second if it fails.
TimerHandlers handlers_of_own_sockets();

}  // namespace tcpdwell
