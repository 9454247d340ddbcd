// SPDX-License-Identifier: Apache-2.0
#include "sinks/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/service.h"
#include "sinks/escape.h"
#include "sinks/explain_accept.h"
#include "sinks/next_step.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kNamedHolders = 3;

std::string duration_text(const Dwell& dwell) {
  const std::string_view about = !dwell.error ? "at least " : dwell.error->count() ? "about " : "";
  return std::string(about) + format_duration(dwell.value);
}

// "2m10s ago"; of several "the oldest 2m10s ago"
std::string ago(const LeakGroup& group) {
  return (is_one(group) ? "" : "the oldest ") + duration_text(group.oldest) + " ago";
}

// " in nginx.service", where it is known to be that of the holders, too.
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

std::string joined(const LeakGroup& group, std::string (*text_of)(const LeakHolder&)) {
  std::string text;
  const std::size_t named = std::min(group.holders.size(), kNamedHolders);
  for (std::size_t i = 0; i < named; ++i) {
    if (i > 0) text += i + 1 < group.holders.size() ? ", " : " and ";
    text += text_of(group.holders[i]);
  }
  if (group.holders.size() > named)
    text += fmt::format(" and {} more", group.holders.size() - named);
  return text + in_service(group);
}

std::string fd_list(const LeakHolder& holder) {
  std::string text;
  for (const std::int32_t fd : holder.fds) text += (text.empty() ? "" : ", ") + std::to_string(fd);
  if (holder.descriptors > holder.fds.size()) text += ", …";
  return text;
}

// "fd 9 of python3[4711]", "12 descriptors of python3[4711] (9, 10, 11, …)"
std::string descriptors_of(const LeakHolder& holder) {
  std::string process = format_process(holder.process);
  if (holder.fds.empty()) return process;
  if (holder.descriptors == 1) return fmt::format("fd {} of {}", holder.fds[0], process);
  return fmt::format("{} descriptors of {} (fd {})", holder.descriptors, process, fd_list(holder));
}

std::string process_of(const LeakHolder& holder) { return format_process(holder.process); }

std::string size_text(const std::optional<std::uint64_t>& bytes) {
  return bytes && *bytes != 0 ? fmt::format("{} byte{}", *bytes, *bytes == 1 ? "" : "s") : "data";
}

// A clause: who keeps it open.
std::string who_holds(const LeakGroup& group) {
  if (group.holders.empty()) {
    std::string text = is_one(group) ? "no process seen from here has it open"
                                     : "no process seen from here has them open";
    text +=
        " (it may be on its way through a unix socket, registered with io_uring, used by the "
        "kernel itself, or in another pid namespace)";
    if (group.owner) text += "; its owner was " + format_process(group.owner->process);
    return text;
  }
  const bool several = group.holders.size() > 1 || group.holders.front().descriptors > 1;
  std::string text = joined(group, descriptors_of);
  text += several ? " are still open" : " is still open";
  if (group.holders.size() == 1 && is_one(group) && several) text += " on it: all must be closed";
  if (group.holders.size() > 1)
    text += fmt::format(
        ": {} processes must close {} (children inherit descriptors)",
        group.holders.size() == 2 ? "both" : fmt::format("all {}", group.holders.size()),
        is_one(group) ? "it" : "them");
  return text;
}

// "the peer closed 2m10s ago"
std::string peer_closed(const LeakGroup& group) {
  if (is_one(group)) return "the peer closed " + ago(group);
  return fmt::format("the peer closed {} connections, {}", group.count, ago(group));
}

std::string not_accepted(const LeakGroup& group) {
  std::string who = joined(group, process_of);
  const bool several = group.holders.size() > 1;
  if (who.empty() || group.holders.empty()) who = "the listening application";
  return fmt::format("{}, and {} still in the accept queue of port {}: {} {} not accepted {}",
                     peer_closed(group), is_one(group) ? "it is" : "they are", group.local_port,
                     who, several ? "have" : "has", is_one(group) ? "it" : "them");
}

// By shutdown() or by close().
std::string shut_down(const LeakGroup& group) {
  return fmt::format(
      "{} shut down {} and the peer has not closed since",
      is_one(group) ? "this side was" : fmt::format("this side of {} connections was", group.count),
      is_one(group) ? ago(group) : '(' + ago(group) + ')');
}

std::string half_closed(const LeakGroup& group) {
  return fmt::format("{}; {}, and while that is so no timeout ends this", shut_down(group),
                     who_holds(group));
}

// It may have been half-closed for long before it was closed: when that was is not known.
std::string orphaned(const LeakGroup& group) {
  const std::string_view it = is_one(group) ? "it" : "them";
  std::string text = shut_down(group) + "; nobody holds " + std::string(it) + " any more";
  if (group.owner) text += fmt::format(" (owner was {})", format_process(group.owner->process));
  return text + fmt::format(", and the kernel ends {} by itself (net.ipv4.tcp_fin_timeout)", it);
}

// "in CLOSE_WAIT for 3.2s"
std::string how_long(const LeakGroup& group) {
  if (is_one(group))
    return fmt::format("in {} for {}", name(group.state), duration_text(group.oldest));
  return fmt::format("{} sockets in {}, the oldest for {}", group.count, name(group.state),
                     duration_text(group.oldest));
}

// A state whose reason is not judged, or the kernel could not be asked.
std::string only_how_long(const LeakGroup& group) {
  std::string text = how_long(group);
  if (!group.holders.empty())
    text += "; " + who_holds(group);
  else if (group.owner)
    text += "; owner " + format_process(group.owner->process) + in_service(group);
  return text;
}

std::string what_was_wrong(const LeakGroup& group) {
  const std::string_view it = is_one(group) ? "it" : "them";
  switch (group.cause) {
    case Cause::None: break;
    case Cause::NotAccepted:
      return fmt::format("nobody accepted {} from the queue of port {}", it, group.local_port);
    case Cause::DataUnread:
      return size_text(group.unread_bytes) + " before the end of stream not read";
    case Cause::Sending: return size_text(group.unsent_bytes) + " not acknowledged by the peer";
    case Cause::EofUnread: return "all data read, but not the end of stream behind it";
    case Cause::EofRead: return "nothing was left to read";
    case Cause::HalfClosed: return "this side was shut down, and the peer did not close";
    case Cause::Orphaned: return fmt::format("nobody held {} any more", it);
    case Cause::NotClosed: return "the connection was over, and the descriptor was not closed";
    case Cause::ConnectFailed: return "connect() failed, and the descriptor was not closed";
  }
  return {};
}

std::string until_exit(const LeakGroup& group) {
  std::string who = "the process";
  if (!group.holders.empty())
    who = joined(group, process_of);
  else if (group.owner)
    who = format_process(group.owner->process) + in_service(group);
  std::string text = fmt::format("{}{} until {} exited; nothing else closed {}", how_long(group),
                                 is_one(group) ? "" : ",", who, is_one(group) ? "it" : "them");
  if (group.unread_bytes.value_or(0) != 0)
    text += fmt::format("; {} never read", size_text(group.unread_bytes));
  return text;
}

// Its processes may be gone, and the socket closed.
std::string in_the_past(const LeakGroup& group) {
  std::string text = how_long(group);
  if (const std::string wrong = what_was_wrong(group); !wrong.empty()) text += "; " + wrong;
  if (group.holders.empty()) return text;
  if (group.cause == Cause::NotAccepted) return text + "; listener " + joined(group, process_of);
  return text + "; held by " + joined(group, descriptors_of);
}

std::string what_is_wrong(const LeakGroup& group, bool alive) {
  if (group.kind == FlagKind::Accept) return explain_accept(group, alive);
  if (group.by_exit) return until_exit(group);
  if (!alive) return in_the_past(group);
  switch (group.cause) {
    case Cause::None: return only_how_long(group);
    case Cause::NotAccepted: return not_accepted(group);
    case Cause::DataUnread:
      return fmt::format("{}; {} that came before {} unread, and {}", peer_closed(group),
                         size_text(group.unread_bytes),
                         group.unread_bytes.value_or(0) > 1 ? "are" : "is", who_holds(group));
    case Cause::Sending:
      return fmt::format("{}, but has not acknowledged {} of ours yet; {}", peer_closed(group),
                         size_text(group.unsent_bytes), who_holds(group));
    case Cause::EofUnread:
      return fmt::format("{}; all data has been read, but not the end of stream behind it, and {}",
                         peer_closed(group), who_holds(group));
    case Cause::EofRead:
      return fmt::format("{}; nothing is left to read, and {}", peer_closed(group),
                         who_holds(group));
    case Cause::HalfClosed: return half_closed(group);
    case Cause::Orphaned: return orphaned(group);
    case Cause::NotClosed:
      return fmt::format("the connection ended {}, and {}", ago(group), who_holds(group));
    case Cause::ConnectFailed:
      return fmt::format("connect() failed {}, and {}", ago(group), who_holds(group));
  }
  return {};
}

}  // namespace

Explanation explain(const LeakGroup& group, bool alive) {
  return {.what = what_is_wrong(group, alive), .next = next_step(group, alive && !group.by_exit)};
}

std::string cause_text(Cause cause) {
  return cause == Cause::None ? "-" : std::string(name(cause));
}

std::string holder_text(const LeakGroup& group) {
  if (group.holders.empty())
    return group.owner ? '(' + format_process(group.owner->process) + ')' : "-";
  std::string text = format_process(group.holders.front().process);
  if (group.holders.size() > 1) text += fmt::format(" +{}", group.holders.size() - 1);
  return text;
}

std::string peer_text(const LeakGroup& group) {
  const std::string port = group.peer.port != 0 ? ':' + std::to_string(group.peer.port) : "";
  if (group.peers > 1) return fmt::format("{} addresses{}", group.peers, port);
  const std::string address = format_address(group.peer, group.family);
  return group.family == Family::Ipv6 && !port.empty() ? '[' + address + ']' + port
                                                       : address + port;
}

}  // namespace tcpdwell
