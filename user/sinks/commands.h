// SPDX-License-Identifier: Apache-2.0
// Commands that show what a process or a socket does. None of them ends or stops a process, unless
// it says so.
#pragma once

#include <string>
#include <string_view>

#include "leaks/leak_groups.h"
#include "sinks/surroundings.h"

namespace tcpdwell {

// "10.0.0.2:80", "[2001:db8::1]:443", without the port if that is 0
std::string address_text(const Endpoint& end, Family family);
// " (network namespace blue)" where it is another one than ours; printable.
std::string netns_text(const LeakGroup& group, const Surroundings* here);
// `ss` for these sockets, in their network namespace. Empty: it cannot be entered by a command.
std::string ss_command(const LeakGroup& group, const Surroundings* here, const LeakHolder* process,
                       std::string_view options);
// All system calls, or those in `calls`. Empty: there is nothing to attach to.
std::string strace_command(const Process& process, const ProcessFacts* facts,
                           std::string_view calls = {});
// What its threads are doing, by the means of its runtime.
std::string threads_command(const Process& process, const ProcessFacts* facts,
                            const Surroundings* here);

inline constexpr std::string_view kReadingCalls = "read,readv,recvfrom,recvmsg,shutdown,close";

}  // namespace tcpdwell
