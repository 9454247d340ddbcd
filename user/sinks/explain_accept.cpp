// SPDX-License-Identifier: Apache-2.0
#include "sinks/explain_accept.h"

#include <fmt/format.h>

#include "leaks/diagnosis.h"
#include "sinks/text_format.h"
#include "sinks/who_holds.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

std::string age_of(const LeakGroup& group) {
  const std::string age = format_duration(group.oldest.value);
  return group.oldest.error ? age : "at least " + age;
}

// "port 80"; with a TPROXY rule, "port 3128 (TPROXY redirects port 80 to it)"
std::string port_text(const LeakGroup& group) {
  const std::uint16_t port = group.queue ? group.queue->port : 0;
  if (port == 0 || port == group.local_port) return fmt::format("port {}", group.local_port);
  return fmt::format(
      "port {} (TPROXY redirects {} to it)", port,
      group.local_port == 0 ? "other ports" : fmt::format("port {}", group.local_port));
}

// "1 connection waits in the accept queue of port 80, for 12s"
std::string waiting(const LeakGroup& group, bool alive) {
  const std::string_view verb = alive ? (is_one(group) ? "waits" : "wait") : "waited";
  return fmt::format("{} {} in the accept queue of {}, {}{}",
                     format_count(group.count, "connection"), verb, port_text(group),
                     is_one(group) ? "for " : "the oldest for ", age_of(group));
}

// " (2 closed by the peer, 1 reset)"
std::string left_by_peer(const LeakGroup& group) {
  if (group.peer_closed + group.reset == 0) return "";
  if (is_one(group))
    return group.reset != 0 ? " (it was reset meanwhile)" : " (the peer has closed it meanwhile)";
  std::string text;
  if (group.peer_closed != 0)
    text = fmt::format("{} closed by the peer", format_number(group.peer_closed));
  if (group.reset != 0)
    text += fmt::format("{}{} reset", text.empty() ? "" : ", ", format_number(group.reset));
  return fmt::format(" ({} meanwhile)", text);
}

std::string drops(const AcceptQueue& queue) {
  std::string text;
  if (queue.syns_dropped != 0)
    text = fmt::format("; {} dropped at this listener", format_count(queue.syns_dropped, "SYN"));
  if (!queue.counters || (queue.counters->overflows == 0 && queue.counters->cookies_sent == 0))
    return text;
  return text + fmt::format("{} in the whole network namespace: {} ListenOverflows, {} SYN cookies",
                            text.empty() ? ";" : ",", format_number(queue.counters->overflows),
                            format_number(queue.counters->cookies_sent));
}

std::string who(const LeakGroup& group) {
  if (group.holders.empty() && group.queue && group.queue->hidden_holder)
    return fmt::format("its listener is held by {} in another pid namespace",
                       format_process(*group.queue->hidden_holder));
  if (group.holders.empty()) return "no process visible here holds its listener";
  const bool one = group.holders.size() == 1 || is_one_of_its_holders(group);
  std::string text =
      fmt::format("{}{} {} not accepted {}", is_one_of_its_holders(group) ? "one of " : "",
                  processes_text(group), one ? "has" : "have", is_one(group) ? "it" : "them");
  if (diagnose(group).halt != Halt::None) return text;  // another clause has the reason
  return text +
         fmt::format(": hung, at {} connection limit, or still starting", one ? "its" : "their");
}

}  // namespace

std::string queue_text(const AcceptQueue& queue) {
  return fmt::format("queue {} of backlog {}{}", format_number(queue.length),
                     format_number(queue.backlog), queue.is_full() ? ": full" : "");
}

std::string explain_accept(const LeakGroup& group, bool alive) {
  std::string text = waiting(group, alive) + left_by_peer(group);
  if (!alive) {
    return text +
           (group.holders.empty() ? "; no process accepted "
                                  : fmt::format("; {} did not accept ", processes_text(group))) +
           (is_one(group) ? "it" : "them");
  }
  if (group.queue) text += "; " + queue_text(*group.queue) + drops(*group.queue);
  return text + "; " + who(group);
}

}  // namespace tcpdwell
