// SPDX-License-Identifier: Apache-2.0
#include "sinks/explain.h"

#include <fmt/format.h>

#include "leaks/diagnosis.h"
#include "sinks/advice_commands.h"
#include "sinks/explain_accept.h"
#include "sinks/explain_closed.h"
#include "sinks/explain_past.h"
#include "sinks/next_step.h"
#include "sinks/text_format.h"
#include "sinks/who_holds.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

// "2m10s ago"; of several "the oldest 2m10s ago"
std::string ago(const LeakGroup& group) {
  const std::string age =
      group.certain || !group.at_most
          ? age_text(group.oldest)
          : fmt::format("between {} and {}", format_duration(group.oldest.value),
                        format_duration(*group.at_most));
  return (is_one(group) ? "" : "the oldest ") + age + " ago";
}

// "the peer closed 2m10s ago"
std::string peer_closed(const LeakGroup& group) {
  if (is_one(group)) return "the peer closed " + ago(group);
  return fmt::format("the peer closed {}, {}", format_count(group.count, "connection"), ago(group));
}

std::string not_accepted(const LeakGroup& group) {
  const bool several = group.holders.size() > 1;
  std::string who = processes_text(group);
  if (group.holders.empty())
    who =
        "the listening application (in a pid namespace that is not visible here, or without a "
        "descriptor)";
  return fmt::format("{}, and {} still in the accept queue of port {}: {} {} not accepted {}",
                     peer_closed(group), is_one(group) ? "it is" : "they are", group.local_port,
                     who, several ? "have" : "has", is_one(group) ? "it" : "them");
}

// By shutdown() or by close().
std::string shut_down(const LeakGroup& group) {
  return fmt::format(
      "{} shut down {} and the peer has not closed since",
      is_one(group) ? "this side was"
                    : fmt::format("this side of {} was", format_count(group.count, "connection")),
      is_one(group) ? ago(group) : '(' + ago(group) + ')');
}

std::string half_closed(const LeakGroup& group) {
  return fmt::format("{}; {}, so no timeout ends this", shut_down(group), who_holds(group));
}

// The time of close() is unknown: the socket may have been half-closed long before.
std::string orphaned(const LeakGroup& group) {
  const std::string_view it = is_one(group) ? "it" : "them";
  std::string text = shut_down(group) + "; no process holds " + std::string(it);
  if (group.owner) text += fmt::format(" (owner was {})", format_process(group.owner->process));
  return text + fmt::format(", and the kernel will end {} ({})", it,
                            group.mptcp ? "net.mptcp.close_timeout" : "net.ipv4.tcp_fin_timeout");
}

// A clause about unsent or unacknowledged data. Empty: no such data.
std::string unsent(const LeakGroup& group, const Diagnosis& diagnosis) {
  const std::uint64_t bytes = group.unsent_bytes.value_or(0);
  if (bytes == 0) return "";
  const std::string data =
      fmt::format("{} {}", format_count(bytes, "byte"), bytes == 1 ? "is" : "are");
  if (diagnosis.window_closed)
    return data + " unsent: the peer answers, but accepts no more data (its window is closed)";
  if (diagnosis.retransmits)
    return data + " retransmitted repeatedly: the peer does not acknowledge";
  return data + " not acknowledged by the peer";
}

// The kernel retries the data of an orphan for some minutes. A held socket ends only if its process
// closes it.
std::string how_it_ends(const LeakGroup& group, const Diagnosis& diagnosis) {
  if (!group.attached)
    return "; no process holds " + std::string(is_one(group) ? "it" : "them") +
           ", and the kernel gives up after some minutes";
  if (group.holders.empty()) return "";
  return "; " + who_holds(group) + (diagnosis.window_closed ? ", so no timeout ends this" : "");
}

// A state without a cause, or the kernel gave no answer.
std::string only_how_long(const LeakGroup& group, const Diagnosis& diagnosis) {
  std::string text = how_long(group);
  if (const std::string data = unsent(group, diagnosis); !data.empty()) {
    text += "; " + data + how_it_ends(group, diagnosis);
  } else if (!group.holders.empty()) {
    text += "; " + who_holds(group);
  } else if (group.owner) {
    text += "; owner " + format_process(group.owner->process) + in_service(group);
  }
  return text;
}

// The process waits for another peer than the one that closed. That is concluded from the times, so
// the sentence says "seems".
std::string relayed(const LeakGroup& group) {
  const std::string relay = processes_text(group);
  const std::string other = address_text(*group.relay_peer, group.relay_family);
  if (group.cause == Cause::HalfClosed)
    return fmt::format("{}; {} seems to relay: its peer {} had closed right before",
                       shut_down(group), relay, other);
  return fmt::format(
      "{}; {} seems to relay: it forwarded the close to {} and waits for that peer to close, too; "
      "{}",
      peer_closed(group), relay, other, who_holds(group));
}

std::string sending(const LeakGroup& group, const Diagnosis& diagnosis) {
  std::string data = unsent(group, diagnosis);
  if (data.empty()) data = "data is not acknowledged by the peer";
  return fmt::format("{}, but {}; {}", peer_closed(group), data, who_holds(group));
}

std::string what_is_wrong(const LeakGroup& group, const Diagnosis& diagnosis) {
  if (is_closed(group))
    return closed_text(group, ago(group), who_holds(group), size_text(group.unread_bytes));
  if (group.kind == FlagKind::Accept) return explain_accept(group, true);
  if (group.relay_peer) return relayed(group);
  switch (group.cause) {
    case Cause::None: return only_how_long(group, diagnosis);
    case Cause::NotAccepted: return not_accepted(group);
    case Cause::DataUnread:
      return fmt::format("{}; {} received before that {} unread, and {}", peer_closed(group),
                         size_text(group.unread_bytes),
                         group.unread_bytes.value_or(0) > 1 ? "are" : "is", who_holds(group));
    case Cause::Sending: return sending(group, diagnosis);
    case Cause::EofUnread:
      return fmt::format("{}; all data has been read, but not the end of stream, and {}",
                         peer_closed(group), who_holds(group));
    case Cause::EofRead:
      return fmt::format(
          "{}; nothing is left to read{}, and {}", peer_closed(group),
          group.mptcp ? " (except perhaps the end of stream: MPTCP does not show it)" : "",
          who_holds(group));
    case Cause::HalfClosed: return half_closed(group);
    case Cause::Orphaned: return orphaned(group);
    case Cause::NotClosed:
    case Cause::ConnectFailed: break;
  }
  return {};
}

}  // namespace

Explanation explain(const LeakGroup& group, bool alive, const Surroundings* here) {
  if (group.by_exit || !alive)
    return {.what = in_the_past(group) + netns_text(group, here),
            .next = next_step_in_the_past(group)};
  const Diagnosis diagnosis = diagnose(group);
  return {.what = what_is_wrong(group, diagnosis) + more_about_holders(group, diagnosis) +
                  other_end_text(group) + netns_text(group, here),
          .next = next_step(group, diagnosis, here)};
}

std::string state_text(const LeakGroup& group) {
  return std::string(flag_name(group.kind, group.state)) + (group.mptcp ? " (MPTCP)" : "");
}

std::string cause_text(Cause cause) {
  return cause == Cause::None ? "-" : std::string(name(cause));
}

std::string holder_text(const LeakGroup& group) {
  if (group.holders.empty())
    return group.owner ? '(' + format_process(group.owner->process) + ')' : "-";
  if (are_equal_processes(group))
    return fmt::format("{}× {}", format_number(group.holders.size()),
                       program_text(group.holders.front()));
  std::string text = process_text(group.holders.front());
  if (group.holders.size() > 1) text += fmt::format(" +{}", group.holders.size() - 1);
  return text;
}

std::string peer_text(const LeakGroup& group) {
  const std::string port = group.peer.port != 0 ? ':' + std::to_string(group.peer.port) : "";
  if (group.peers > 1) return fmt::format("{} addresses{}", format_number(group.peers), port);
  const std::string address = format_address(group.peer, group.family);
  return group.family == Family::Ipv6 && !port.empty() ? '[' + address + ']' + port
                                                       : address + port;
}

}  // namespace tcpdwell
