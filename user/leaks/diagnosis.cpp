// SPDX-License-Identifier: Apache-2.0
#include "leaks/diagnosis.h"

#include <algorithm>
#include <string_view>

namespace tcpdwell {
namespace {

constexpr std::int32_t kLastStandardFd = 2;

bool is_parent_of_another(const LeakGroup& group, const LeakHolder& holder) {
  return std::any_of(group.holders.begin(), group.holders.end(), [&](const LeakHolder& other) {
    return other.facts && other.facts->parent == holder.process.pid;
  });
}

const LeakHolder* process_to_look_at(const LeakGroup& group) {
  if (group.owner)
    for (const LeakHolder& holder : group.holders)
      if (holder.process.pid == group.owner->process.pid && group.owner->via != Via::Fd)
        return &holder;
  for (const LeakHolder& holder : group.holders)
    if (!is_parent_of_another(group, holder)) return &holder;
  return group.holders.empty() ? nullptr : &group.holders.front();
}

Halt halt_of(const LeakHolder* process) {
  if (process == nullptr || !process->facts) return Halt::None;
  switch (process->facts->state) {
    case 'T': return Halt::Stopped;
    case 't': return Halt::Traced;
    case 'D': return Halt::InKernel;
    case kFrozen: return Halt::Frozen;
    default: return Halt::None;
  }
}

// sshd serves a connection in sshd-session.
bool is_same_program(std::string_view maker, std::string_view holder) {
  return holder.starts_with(maker) &&
         (holder.size() == maker.size() || holder[maker.size()] == '-');
}

// inetd starts a program with the connection as stdin.
Passing passing_of(const LeakGroup& group, const LeakHolder& holder) {
  const bool as_standard = std::any_of(holder.fds.begin(), holder.fds.end(), [](std::int32_t fd) {
    return fd >= 0 && fd <= kLastStandardFd;
  });
  if (as_standard || group.descent == Descent::Stranger) return Passing::Given;
  const bool same = is_same_program(group.maker->comm_view(), holder.process.comm_view());
  if (group.descent == Descent::Unknown) return same ? Passing::Given : Passing::Unclear;
  return same ? Passing::Forked : Passing::Inherited;
}

bool near_limit(const LeakHolder* process) {
  if (process == nullptr || !process->facts) return false;
  const auto& [have, most] =
      std::pair(process->facts->descriptors, process->facts->descriptor_limit);
  return have && most && *most > 0 && *have >= *most - *most / 10;
}

Culprit culprit_of_sending(const Diagnosis& diagnosis) {
  return diagnosis.window_closed ? Culprit::Peer : Culprit::Network;
}

Culprit culprit_of_state(const LeakGroup& group, const Diagnosis& diagnosis) {
  switch (group.state) {
    case State::FinWait1:
    case State::LastAck:
    case State::Closing: return culprit_of_sending(diagnosis);
    case State::Established:
    case State::CloseWait:
      return group.unsent_bytes.value_or(0) != 0 ? culprit_of_sending(diagnosis) : Culprit::Holder;
    case State::TimeWait:
    case State::Listen: return Culprit::Nobody;
    case State::SynSent:
    case State::SynReceived: return Culprit::Network;
    case State::FinWait2: return Culprit::Peer;
    case State::Closed: break;
  }
  return Culprit::Holder;
}

Culprit culprit_of(const LeakGroup& group, const Diagnosis& diagnosis) {
  if (group.relay_peer)
    return group.cause == Cause::HalfClosed ? Culprit::Peer : Culprit::RelayPeer;
  if (diagnosis.passing == Passing::Inherited && group.cause != Cause::HalfClosed)
    return Culprit::Maker;
  switch (group.cause) {
    case Cause::None: return culprit_of_state(group, diagnosis);
    case Cause::Sending: return culprit_of_sending(diagnosis);
    case Cause::HalfClosed: return group.other_end ? Culprit::Peer : Culprit::Holder;
    case Cause::Orphaned: return group.other_end ? Culprit::Peer : Culprit::Nobody;
    case Cause::NotAccepted:
    case Cause::DataUnread:
    case Cause::EofUnread:
    case Cause::EofRead:
    case Cause::NotClosed:
    case Cause::ConnectFailed: break;
  }
  return Culprit::Holder;
}

}  // namespace

Diagnosis diagnose(const LeakGroup& group) {
  Diagnosis diagnosis;
  diagnosis.process = process_to_look_at(group);
  diagnosis.halt = halt_of(diagnosis.process);
  if (group.maker && diagnosis.process) diagnosis.passing = passing_of(group, *diagnosis.process);
  diagnosis.window_closed =
      group.count > 0 && group.closed_windows == group.count && group.unsent_bytes.value_or(0) != 0;
  diagnosis.retransmits = group.count > 0 && group.retransmitting == group.count;
  diagnosis.near_descriptor_limit = near_limit(diagnosis.process);
  diagnosis.culprit = culprit_of(group, diagnosis);
  return diagnosis;
}

}  // namespace tcpdwell
