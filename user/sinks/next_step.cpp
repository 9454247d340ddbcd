// SPDX-License-Identifier: Apache-2.0
#include "sinks/next_step.h"

#include <fmt/format.h>

#include <cctype>

#include "core/service.h"
#include "sinks/escape.h"
#include "sinks/explain.h"
#include "sinks/explain_closed.h"

namespace tcpdwell {
namespace {

// The program to look at; "the application" if nothing is known.
std::string program(const LeakGroup& group) {
  std::string text;
  if (!group.holders.empty())
    append_printable(text, group.holders.front().process.comm_view());
  else if (group.owner)
    append_printable(text, group.owner->process.comm_view());
  return text.empty() ? "the application" : text;
}

// A process to look at: the owner may have exited long ago. 0: none.
std::uint32_t pid_of(const LeakGroup& group) {
  return group.holders.empty() ? 0 : group.holders.front().process.pid;
}

// As ss understands it.
std::string ss_filter(const LeakGroup& group) {
  if (group.peers == 1) {
    std::string address = format_address(group.peer, group.family);
    if (group.family == Family::Ipv6) address = '[' + address + ']';
    return "dst " + address + (group.peer.port != 0 ? ':' + std::to_string(group.peer.port) : "");
  }
  std::string state(name(group.state));
  for (char& c : state)
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return "state " + state;
}

// `ss` where the socket is: a container has a network namespace of its own.
std::string ss(const LeakGroup& group, bool alive, std::string_view options) {
  if (!alive) return "";
  const std::string service = service_of(group.cgroup);
  const bool container =
      !service.empty() && !service.ends_with(".service") && !service.ends_with(".scope");
  const std::uint32_t pid = pid_of(group);
  const std::string enter = container && pid != 0 ? fmt::format("nsenter -t {} -n ", pid) : "";
  return fmt::format(": {}ss {} {}", enter, options, ss_filter(group));
}

std::string strace(const LeakGroup& group, bool alive, std::string_view options = "") {
  const std::uint32_t pid = pid_of(group);
  return alive && pid != 0 ? fmt::format(": strace -f {}-p {}", options, pid) : "";
}

// In flight over a unix socket, in an io_uring, in the kernel: no descriptor says so.
std::string find_holder(const LeakGroup& group) {
  return fmt::format("find what still uses {}{}", is_one(group) ? "it" : "them",
                     ss(group, true, "-tnpoe"));
}

std::string step_for_state(const LeakGroup& group, bool alive) {
  switch (group.state) {
    case State::SynSent:
      return "find out why the peer does not answer: is it up, is a firewall in between?";
    case State::SynReceived:
      return "find out why the client does not finish the handshake: a scan, a SYN flood, or "
             "answers that get lost?";
    case State::TimeWait:
      return "nothing: the kernel ends it after 60s, and it only keeps the port pair from being "
             "used again";
    case State::Listen: return "nothing: a listener is meant to stay";
    case State::FinWait1:
    case State::LastAck:
    case State::Closing:
      return fmt::format("see whether the network loses the FIN or the peer is gone{}",
                         ss(group, alive, "-tno"));
    default:
      return fmt::format("see what it {} for{}", alive ? "waits" : "was waiting",
                         ss(group, alive, "-tnpoe"));
  }
}

}  // namespace

std::string next_step(const LeakGroup& group, bool alive) {
  const std::string who = program(group);
  if (group.state == State::Closed)
    return closed_next_step(group, who, strace(group, alive, "-e trace=%network,close "));
  switch (group.cause) {
    case Cause::None: return step_for_state(group, alive);
    case Cause::NotAccepted:
      return fmt::format("see what {} is doing instead of accept(){}", who, strace(group, alive));
    case Cause::DataUnread:
      return fmt::format("see what {} is doing instead of read(){}", who, strace(group, alive));
    case Cause::Sending:
      return fmt::format("see whether the peer takes data and the network carries it{}",
                         ss(group, alive, "-tino"));
    case Cause::EofUnread:
      if (group.holders.empty() && alive) return find_holder(group);
      return fmt::format(
          "let {} watch its idle connections for reading (a pool often does not) "
          "and close() one when read() returns 0",
          who);
    case Cause::EofRead:
      if (group.holders.empty() && alive) return find_holder(group);
      return fmt::format("find where {} is done with a connection but does not close() it{}", who,
                         strace(group, alive, "-e trace=%network,close "));
    case Cause::HalfClosed:
      return fmt::format(
          "let {} wait for the peer with a timeout after shutdown(), and then "
          "close()",
          who);
    case Cause::NotClosed:
    case Cause::ConnectFailed: break;
    case Cause::Orphaned:
      return fmt::format(
          "nothing to do on this host; if there are many, find out why {} does not "
          "close its side",
          group.peers == 1 ? peer_text(group) : "the peer");
  }
  return {};
}

}  // namespace tcpdwell
