// SPDX-License-Identifier: Apache-2.0
#include "sinks/next_step.h"

#include <fmt/format.h>

#include "sinks/advice_commands.h"
#include "sinks/escape.h"
#include "sinks/explain.h"
#include "sinks/explain_closed.h"
#include "sinks/text_format.h"
#include "sinks/who_holds.h"

namespace tcpdwell {
namespace {

class NextStep {
 public:
  NextStep(const LeakGroup& group, const Diagnosis& diagnosis, const Surroundings* here, bool alive)
      : group_(group), diagnosis_(diagnosis), here_(here), alive_(alive) {}

  std::string text() const {
    if (alive_ && diagnosis_.halt != Halt::None) return wake_up();
    switch (diagnosis_.culprit) {
      case Culprit::Maker: return no_inheritance();
      case Culprit::RelayPeer: return other_side_of_relay();
      case Culprit::Peer: return peer_has_to_act();
      case Culprit::Network:
      case Culprit::Nobody:
      case Culprit::Holder: break;
    }
    return step_for_cause();
  }

 private:
  // The program to look at; "the application" if nothing is known.
  std::string program() const {
    std::string text;
    if (diagnosis_.process != nullptr)
      text = program_text(*diagnosis_.process);
    else if (group_.owner)
      append_printable(text, group_.owner->process.comm_view());
    return text.empty() ? "the application" : text;
  }
  static std::string after_colon(const std::string& command) {
    return command.empty() ? "" : ": " + command;
  }
  std::string ss(std::string_view options) const {
    return alive_ ? after_colon(ss_command(group_, here_, diagnosis_.process, options)) : "";
  }
  const ProcessFacts* facts() const {
    return diagnosis_.process->facts ? &*diagnosis_.process->facts : nullptr;
  }
  std::string strace(std::string_view calls) const {
    if (!alive_ || diagnosis_.process == nullptr) return "";
    return after_colon(strace_command(diagnosis_.process->process, facts(), calls));
  }
  std::string threads() const {
    if (!alive_ || diagnosis_.process == nullptr) return "";
    return after_colon(threads_command(diagnosis_.process->process, facts(), here_));
  }

  std::string wake_up() const {
    const LeakHolder& process = *diagnosis_.process;
    const std::string who = process_text(process);
    switch (diagnosis_.halt) {
      case Halt::Stopped:
        return fmt::format("find out what stopped {}, then resume it: kill -CONT {}", who,
                           process.process.pid);
      case Halt::Traced:
        return fmt::format("find the process that traces {}: grep TracerPid /proc/{}/status", who,
                           process.facts->live_thread);
      case Halt::InKernel:
        return fmt::format("see what {} waits for in the kernel: cat /proc/{}/stack", who,
                           process.facts->live_thread);
      case Halt::Frozen:
        return fmt::format(
            "find out what froze the cgroup of {}, then thaw it: cat /proc/{}/cgroup", who,
            process.process.pid);
      case Halt::None: break;
    }
    return "";
  }

  std::string no_inheritance() const {
    std::string maker;
    append_printable(maker, group_.maker->comm_view());
    return fmt::format(
        "make {} open its sockets with SOCK_CLOEXEC (accept4(), socket()) or set FD_CLOEXEC, so "
        "that the programs that it starts do not inherit them; until {} {}, {} open",
        maker, are_equal_processes(group_) ? "these children" : program(),
        are_equal_processes(group_) ? "end" : "ends",
        is_one(group_) ? "this one stays" : "these stay");
  }

  // A child that was forked to serve a connection looks like one that writes a snapshot meanwhile.
  std::string unless_inherited() const {
    const bool several = are_equal_processes(group_);
    if (diagnosis_.passing == Passing::Unclear)
      return fmt::format(", unless {} only inherited {}: then {}", several ? "they" : "it",
                         is_one(group_) ? "it" : "them", no_inheritance());
    if (diagnosis_.passing != Passing::Forked) return "";
    return fmt::format(
        ", unless {} some work of {} own and only inherited {} by fork(): then {} "
        "until {}",
        several ? "these children do" : "this child does", several ? "their" : "its",
        is_one(group_) ? "it" : "them", is_one(group_) ? "it stays" : "they stay",
        several ? "they end" : "it ends");
  }

  std::string other_side_of_relay() const {
    std::string text = fmt::format(
        "find out why the application at {} does not close its side; a timeout for half-closed "
        "connections in {} limits how long this lasts",
        address_text(*group_.relay_peer, group_.relay_family), program());
    if (program().starts_with("haproxy")) text += " (timeout client-fin, timeout server-fin)";
    return text;
  }

  // The advice uses the process of the peer if it is on this host.
  std::string peer_has_to_act() const {
    const std::string process = other_process_text(group_);
    if (group_.behind_relay && group_.other_end)
      return fmt::format("{} seems to relay: find out why the application at {} does not close",
                         process.empty() ? "the peer" : process,
                         address_text(*group_.behind_relay, group_.behind_relay_family));
    const std::string_view does = diagnosis_.window_closed ? "read" : "close its side";
    if (process.empty() || !alive_)
      return fmt::format(
          "find out why {} does not {}{}",
          group_.peers == 1 ? "the application at " + peer_text(group_) : "the peers", does,
          ss("-tinoe"));
    const Process& other = group_.other_end->process;
    const ProcessFacts* facts = group_.other_end_facts ? &*group_.other_end_facts : nullptr;
    const bool stopped = facts != nullptr && facts->state == 'T';
    if (stopped)
      return fmt::format("find out what stopped {}, then resume it: kill -CONT {}", process,
                         other.pid);
    if (facts != nullptr && facts->state == kFrozen)
      return fmt::format("find out what froze the cgroup of {}, then thaw it: cat /proc/{}/cgroup",
                         process, other.pid);
    const std::string command = diagnosis_.window_closed
                                    ? threads_command(other, facts, here_)
                                    : strace_command(other, facts, kReadingCalls);
    return fmt::format("find out why {} does not {}{}", process, does, after_colon(command));
  }

  // No descriptor: in flight over a unix socket, in an io_uring, or used by the kernel.
  std::string find_holder() const {
    return fmt::format("find what still uses {}{}", is_one(group_) ? "it" : "them", ss("-tnpoe"));
  }

  std::string watch_idle() const {
    return fmt::format(
        "make {} poll its idle connections for reading (pools often do not) and close() one when "
        "read() returns 0",
        program());
  }

  std::string not_read() const {
    const bool pool = group_.role == Role::Client && group_.cause == Cause::EofUnread;
    if (pool) return watch_idle();
    return fmt::format("see what {} is doing instead of read(){}{}", program(), unless_inherited(),
                       threads());
  }

  std::string not_closed() const {
    return fmt::format("find where {} is done with a connection but does not close() it{}{}{}",
                       program(), group_.filtered ? " (look without the filter if it relays)" : "",
                       unless_inherited(), strace(kReadingCalls));
  }

  std::string step_for_network() const {
    if (group_.cause == Cause::None && group_.unsent_bytes.value_or(0) == 0)
      return fmt::format("check whether the network loses the FIN or the peer is gone{}",
                         ss("-tno"));
    return fmt::format("check whether the peer reads data and the network delivers it{}",
                       ss("-tino"));
  }

  std::string step_for_state() const {
    switch (group_.state) {
      case State::SynSent:
        return "find out why the peer does not answer: is it up? does a firewall drop the packets?";
      case State::SynReceived:
        return "find out why the client does not finish the handshake: a scan, a SYN flood, or "
               "lost packets?";
      case State::TimeWait:
        return "nothing: the kernel ends it after 60s; until then it only reserves the port pair";
      case State::Listen: return "nothing: a listener is meant to stay";
      default: break;
    }
    if (diagnosis_.culprit == Culprit::Network) return step_for_network();
    return fmt::format("see what it {} for{}", alive_ ? "waits" : "was waiting", ss("-tnpoe"));
  }

  std::string step_for_cause() const {
    if (is_closed(group_)) return closed_next_step(group_, program(), strace("%network,close"));
    const bool held = !group_.holders.empty() || !alive_;
    switch (group_.cause) {
      case Cause::None: return step_for_state();
      case Cause::NotAccepted:
        if (is_one_of_its_holders(group_))
          return "see which of them waits for this listener (leaks --where), and what it is doing "
                 "instead of accept()";
        return fmt::format("see what {} is doing instead of accept(){}", program(), threads());
      case Cause::DataUnread: return held ? not_read() : find_holder();
      case Cause::Sending: return step_for_network();
      case Cause::EofUnread: return held ? not_read() : find_holder();
      case Cause::EofRead: return held ? not_closed() : find_holder();
      case Cause::HalfClosed:
        return fmt::format(
            "make {} wait for the peer with a timeout after shutdown(), then close()", program());
      case Cause::NotClosed:
      case Cause::ConnectFailed: break;
      case Cause::Orphaned:
        return fmt::format(
            "nothing to do on this host; if there are many, find out why {} does not "
            "close its side",
            group_.peers == 1 ? peer_text(group_) : "the peer");
    }
    return {};
  }

  const LeakGroup& group_;
  const Diagnosis& diagnosis_;
  const Surroundings* here_;
  bool alive_;
};

}  // namespace

std::string next_step(const LeakGroup& group, const Diagnosis& diagnosis, const Surroundings* here,
                      bool alive) {
  return NextStep(group, diagnosis, here, alive).text();
}

}  // namespace tcpdwell
