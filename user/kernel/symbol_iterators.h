// SPDX-License-Identifier: Apache-2.0
// What bpf/symbols.bpf.c finds out where /proc/kallsyms shows no addresses. Each call loads and
// unloads a small BPF object; nothing of it stays.
#pragma once

#include <cstdint>
#include <string>

namespace tcpdwell {

// The functions in /proc/kallsyms, in its format, with their addresses. Empty: this kernel has no
// iter/ksym (6.0), or does not let us.
std::string list_kernel_functions();

// What the timers of a minisock and of a request call; 0: not found out.
struct TimerHandlers {
  std::uint64_t timewait = 0, request = 0;
};

// From sockets of our own, in a network namespace that is gone when this returns. Takes a few
// milliseconds, a second where it fails.
TimerHandlers handlers_of_own_sockets();

}  // namespace tcpdwell
