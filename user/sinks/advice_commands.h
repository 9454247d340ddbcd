// SPDX-License-Identifier: Apache-2.0
// Commands that show what a process or a socket does. A command that ends or stops the process says
// so.
#pragma once

#include <string>
#include <string_view>

#include "leaks/leak_groups.h"
#include "sinks/surroundings.h"

namespace tcpdwell {

// "10.0.0.2:80", "[2001:db8::1]:443"; without the port if it is 0.
std::string address_text(const Endpoint& end, Family family);
// " (network namespace blue)"; empty if it is our own. Printable.
std::string netns_text(const LeakGroup& group, const Surroundings* here);
// `ss` for these sockets, in their network namespace. Empty: no command can enter that.
std::string ss_command(const LeakGroup& group, const Surroundings* here, const LeakHolder* process,
                       std::string_view options);
// Traces all system calls, or those in `calls`. Empty: no thread to attach to.
std::string strace_command(const Process& process, const ProcessFacts* facts,
                           std::string_view calls = {});
// Shows what the threads are doing, with the tools of the runtime.
std::string threads_command(const Process& process, const ProcessFacts* facts,
                            const Surroundings* here);

inline constexpr std::string_view kReadingCalls = "read,readv,recvfrom,recvmsg,shutdown,close";

}  // namespace tcpdwell
