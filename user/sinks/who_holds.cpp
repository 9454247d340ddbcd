// SPDX-License-Identifier: Apache-2.0
#include "sinks/who_holds.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/service.h"
#include "sinks/escape.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kNamedHolders = 3;

std::string with_pid(std::string_view name, std::uint32_t pid) {
  std::string text;
  append_printable(text, name);
  if (pid != 0) text += '[' + std::to_string(pid) + ']';
  return text;
}

std::string joined(const LeakGroup& group, std::string (*text_of)(const LeakHolder&)) {
  std::string text;
  const std::size_t named = std::min(group.holders.size(), kNamedHolders);
  for (std::size_t i = 0; i < named; ++i) {
    if (i > 0) text += i + 1 < group.holders.size() ? ", " : " and ";
    text += text_of(group.holders[i]);
  }
  if (group.holders.size() > named)
    text += fmt::format(" and {} more", format_number(group.holders.size() - named));
  return text + in_service(group);
}

std::string fd_list(const LeakHolder& holder) {
  std::string text;
  for (const std::int32_t fd : holder.fds) text += (text.empty() ? "" : ", ") + std::to_string(fd);
  if (holder.descriptors > holder.fds.size()) text += ", …";
  return text;
}

// "fd 9 of python3[4711]", "12 descriptors of python3[4711] (fd 9, 10, 11, …)"
std::string descriptors_of(const LeakHolder& holder) {
  std::string process = process_text(holder);
  if (holder.fds.empty()) return process;
  if (holder.descriptors == 1) return fmt::format("fd {} of {}", holder.fds[0], process);
  return fmt::format("{} of {} (fd {})", format_count(holder.descriptors, "descriptor"), process,
                     fd_list(holder));
}

// "24 descriptors of 24 processes of php-fpm8.2 (fd 4 of 101, fd 4 of 102, fd 4 of 103, …)"
std::string descriptors_of_equal(const LeakGroup& group) {
  std::size_t descriptors = 0;
  for (const LeakHolder& holder : group.holders) descriptors += holder.descriptors;
  std::string examples;
  for (std::size_t i = 0; i < std::min(group.holders.size(), kNamedHolders); ++i) {
    const LeakHolder& holder = group.holders[i];
    if (holder.fds.empty()) continue;
    examples += fmt::format("{}fd {} of {}", examples.empty() ? "" : ", ", holder.fds[0],
                            holder.process.pid);
  }
  if (group.holders.size() > kNamedHolders) examples += ", …";
  return fmt::format("{} of {} processes of {}{}", format_count(descriptors, "descriptor"),
                     format_number(group.holders.size()), program_text(group.holders.front()),
                     examples.empty() ? "" : " (" + examples + ')') +
         in_service(group);
}

std::string inherited(const LeakGroup& group, const Diagnosis& diagnosis) {
  if (!group.maker || group.holders.empty()) return "";
  const std::string maker = with_pid(group.maker->comm_view(), group.maker->pid);
  const std::string holder =
      are_equal_processes(group) ? "each of its children" : process_text(group.holders.front());
  const bool connected = group.owner && group.owner->via == Via::Connect;
  const std::string_view it = is_one(group) ? "it" : "them";
  const std::string made =
      group.maker_is_likely
          ? fmt::format("{}, which listens on port {}, most likely accepted {}", maker,
                        group.local_port, it)
          : fmt::format("{} {} {}", maker, connected ? "connected" : "accepted", it);
  if (diagnosis.passing == Passing::Given)
    return fmt::format("; {} and left {} to {}", made, it, holder);
  if (diagnosis.passing == Passing::Unclear)
    return fmt::format("; {}, and {} inherited {} or got {} over a unix socket", made, holder, it,
                       it);
  if (diagnosis.passing == Passing::Forked)
    return fmt::format("; {} and forked {}, which still {} {}", made, holder,
                       are_equal_processes(group) ? "have" : "has", it);
  return fmt::format("; {} and started {}, which inherited the descriptor{}", made, holder,
                     is_one(group) ? "" : "s");
}

std::string halted(const Diagnosis& diagnosis) {
  if (diagnosis.halt == Halt::None) return "";
  const std::string process = process_text(*diagnosis.process);
  switch (diagnosis.halt) {
    case Halt::Stopped:
      return fmt::format(
          "; {} is stopped by a signal (state T) and does nothing until it gets "
          "SIGCONT",
          process);
    case Halt::Traced:
      return fmt::format(
          "; {} is stopped by a debugger (state t) and does nothing until the debugger resumes it",
          process);
    case Halt::InKernel:
      return fmt::format("; {} waits in the kernel and cannot be interrupted (state D)", process);
    case Halt::Frozen:
      return fmt::format("; {} is frozen by its cgroup (docker pause, cgroup.freeze)", process);
    case Halt::None: break;
  }
  return "";
}

std::string descriptor_limit(const Diagnosis& diagnosis) {
  if (!diagnosis.near_descriptor_limit) return "";
  const ProcessFacts& facts = *diagnosis.process->facts;
  const bool reached = *facts.descriptors >= *facts.descriptor_limit;
  return fmt::format("; {} has {} of at most {} descriptors open (RLIMIT_NOFILE){}",
                     process_text(*diagnosis.process), format_number(*facts.descriptors),
                     format_number(*facts.descriptor_limit),
                     reached ? ": accept(), socket() and open() fail" : "");
}

}  // namespace

std::string process_text(const LeakHolder& holder) {
  return with_pid(holder.name(), holder.process.pid);
}

std::string program_text(const LeakHolder& holder) {
  std::string text;
  append_printable(text, holder.name());
  return text;
}

std::string in_service(const LeakGroup& group) {
  const std::string service = service_of(group.cgroup);
  if (service.empty()) return "";
  if (group.owner && !group.holders.empty()) {
    const std::uint64_t owner = group.owner->process.cgroup_id;
    const std::uint64_t holder = group.holders.front().process.cgroup_id;
    if (owner != 0 && holder != 0 && owner != holder) return "";
  }
  std::string text = " in ";
  append_printable(text, service);
  return text;
}

std::string descriptors_text(const LeakGroup& group) {
  return are_equal_processes(group) ? descriptors_of_equal(group) : joined(group, descriptors_of);
}

std::string processes_text(const LeakGroup& group) {
  if (!are_equal_processes(group)) return joined(group, process_text);
  return fmt::format("{} processes of {}", format_number(group.holders.size()),
                     program_text(group.holders.front())) +
         in_service(group);
}

std::string who_holds(const LeakGroup& group) {
  if (group.holders.empty()) {
    std::string text = is_one(group) ? "no process visible here has it open"
                                     : "no process visible here has them open";
    text +=
        " (it may be in flight over a unix socket, registered with io_uring, used by the kernel "
        "itself, or open in another pid namespace)";
    if (group.owner) text += "; its owner was " + format_process(group.owner->process);
    return text;
  }
  const bool several = group.holders.size() > 1 || group.holders.front().descriptors > 1;
  std::string text = descriptors_text(group);
  text += several ? " are still open" : " is still open";
  if (group.held_by == 1 && is_one(group) && several) text += " on it: all must be closed";
  if (group.held_by > 1) {
    const std::string all =
        group.held_by == 2 ? "both" : fmt::format("all {}", format_number(group.held_by));
    text += fmt::format(": {} processes must close {} (children inherit descriptors)", all,
                        is_one(group)                ? "it"
                        : are_equal_processes(group) ? "each"
                                                     : "them");
  }
  return text;
}

std::string more_about_holders(const LeakGroup& group, const Diagnosis& diagnosis) {
  return inherited(group, diagnosis) + halted(diagnosis) + descriptor_limit(diagnosis);
}

std::string other_process_text(const LeakGroup& group) {
  if (!group.other_end || group.other_end->process.pid == 0) return "";
  const bool named = group.other_end_facts && !group.other_end_facts->program.empty();
  return with_pid(named ? group.other_end_facts->program : group.other_end->process.comm_view(),
                  group.other_end->process.pid);
}

std::string other_end_text(const LeakGroup& group) {
  if (!group.other_end) return "";
  const OtherEnd& end = *group.other_end;
  std::string text = is_one(group) ? "; the other end is " : "; the other end of the oldest is ";
  const std::string process = other_process_text(group);
  if (process.empty())
    text += "on this host too, held by no process,";
  else
    text += fmt::format("fd {} of {}", end.fd, process);
  text += fmt::format(" in {}", name(end.state));
  const bool takes_data = end.state == State::Established || end.state == State::FinWait1 ||
                          end.state == State::FinWait2;
  if (takes_data && end.receive_queue > 1)
    text += fmt::format(" with {} unread", format_count(end.receive_queue, "byte"));
  const char state = group.other_end_facts ? group.other_end_facts->state : '\0';
  if (state == 'T' || state == 't')
    text += ", which is stopped (state " + std::string(1, state) + ')';
  if (state == kFrozen) text += ", which is frozen by its cgroup";
  return text;
}

}  // namespace tcpdwell
