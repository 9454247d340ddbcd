// SPDX-License-Identifier: Apache-2.0
#include "sinks/advice_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "host/service.h"
#include "sinks/escape.h"

namespace tcpdwell {
namespace {

// A thread that still lives: strace cannot attach to one that has ended.
std::uint32_t thread_of(const Process& process, const ProcessFacts* facts) {
  return facts != nullptr ? facts->live_thread : process.pid;
}

// A path without characters that are special to a shell.
bool is_plain(std::string_view path) {
  return std::all_of(path.begin(), path.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '.' || c == '-' ||
           c == '_';
  });
}

const std::string* path_of(const LeakGroup& group, const Surroundings* here) {
  if (here == nullptr) return nullptr;
  const auto named = here->named.find(group.netns);
  return named != here->named.end() && is_plain(named->second) ? &named->second : nullptr;
}

// Most containers have their own network namespace.
bool is_in_container(const LeakGroup& group) {
  const std::string service = service_of(group.cgroup);
  return !service.empty() && !service.ends_with(".service") && !service.ends_with(".scope");
}

bool is_elsewhere(const LeakGroup& group, const Surroundings* here) {
  const bool known = here != nullptr && here->netns != 0 && group.netns != 0;
  return known ? here->netns != group.netns : is_in_container(group);
}

// In the syntax of ss.
std::string ss_filter(const LeakGroup& group) {
  if (group.peers == 1) return "dst " + address_text(group.peer, group.family);
  std::string state(name(group.state));
  for (char& c : state)
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return "state " + state;
}

}  // namespace

std::string address_text(const Endpoint& end, Family family) {
  std::string address = format_address(end, family);
  if (family == Family::Ipv6) address = '[' + address + ']';
  return address + (end.port != 0 ? ':' + std::to_string(end.port) : "");
}

std::string netns_text(const LeakGroup& group, const Surroundings* here) {
  if (here == nullptr || here->netns == 0 || group.netns == 0 || group.netns == here->netns)
    return "";
  const std::string* path = path_of(group, here);
  if (path == nullptr) return fmt::format(" (network namespace {})", group.netns);
  return fmt::format(" (network namespace {})", path->substr(path->rfind('/') + 1));
}

std::string ss_command(const LeakGroup& group, const Surroundings* here, const LeakHolder* process,
                       std::string_view options) {
  std::string enter;
  if (is_elsewhere(group, here)) {
    const ProcessFacts* facts = process && process->facts ? &*process->facts : nullptr;
    const std::uint32_t thread = process ? thread_of(process->process, facts) : 0;
    if (const std::string* path = path_of(group, here))
      enter = "nsenter --net=" + *path + ' ';
    else if (thread != 0)
      enter = fmt::format("nsenter -t {} -n ", thread);
    else if (here != nullptr)
      return "";
  }
  std::string shown(options);
  if (group.mptcp) std::replace(shown.begin(), shown.end(), 't', 'M');
  return fmt::format("{}ss {} {}", enter, shown, ss_filter(group));
}

std::string strace_command(const Process& process, const ProcessFacts* facts,
                           std::string_view calls) {
  const std::uint32_t thread = thread_of(process, facts);
  if (thread == 0) return "";
  std::string command = fmt::format("strace -f -p {}", thread);
  if (!calls.empty()) command.append(" -e trace=").append(calls);
  return command;
}

std::string threads_command(const Process& process, const ProcessFacts* facts,
                            const Surroundings* here) {
  const std::string strace = strace_command(process, facts);
  if (strace.empty()) return "";
  switch (facts != nullptr ? facts->runtime : Runtime::Native) {
    case Runtime::Jvm: return fmt::format("jcmd {0} Thread.print (or jstack {0})", process.pid);
    case Runtime::Go:
      return fmt::format(
          "{}, or the goroutines at /debug/pprof/goroutine?debug=2 if it serves net/http/pprof "
          "(kill -QUIT {} prints them too, but ENDS the program)",
          strace, process.pid);
    case Runtime::Python:
      if (here != nullptr && here->py_spy) return fmt::format("py-spy dump --pid {}", process.pid);
      break;
    case Runtime::Native:
    case Runtime::Node:
    case Runtime::Php:
    case Runtime::Ruby:
    case Runtime::Perl: break;
  }
  return strace;
}

}  // namespace tcpdwell
