// SPDX-License-Identifier: Apache-2.0
#include "recording/entries.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "recording/mptcp_entry.h"
#include "recording/namespace_entry.h"
#include "recording/pack.h"
#include "recording/process_entry.h"
#include "recording/surroundings_entry.h"
#include "recording/suspend_entry.h"

namespace tcpdwell::recording {
namespace {

// Bounds the memory for a file that contains only such entries. No host has more descriptors of
// sockets.
constexpr std::size_t kMostHoldings = 8'000'000;

using Bytes = std::span<const std::byte>;

class UserEventPacker {
 public:
  UserEventPacker(const Lifecycle* lifecycle, const PutEntry& put)
      : lifecycle_(lifecycle), put_(put) {}

  void operator()(const Began&) { end(Entry::Began); }
  void operator()(const SnapshotBegan&) { end(Entry::SnapshotBegan); }
  void operator()(const SnapshotOver&) { end(Entry::SnapshotOver); }
  void operator()(const QueueWalkBegan&) { end(Entry::QueueWalkBegan); }
  void operator()(const AcceptQueuesEvent& queues) { pack_queues(queues, put_); }
  void operator()(const Ticked& tick) {
    packer_.put(tick.at);
    end(Entry::Ticked);
  }
  void operator()(const Stopped& stop) {
    packer_.put(stop.at);
    end(Entry::Stopped);
  }
  void operator()(const Finished& ended) {
    packer_.put(ended.at);
    packer_.put(std::uint64_t{0});  // reserved
    end(Entry::Finished);
  }
  void operator()(const LossEvent& loss) {
    packer_.put(loss.at);
    packer_.put(loss.cause);
    packer_.put(loss.events);
    packer_.put(loss.transitions);
    packer_.put(loss.at_most);
    packer_.put(loss.counted);
    end(Entry::Loss);
  }
  void operator()(const ClockEvent& clock) {
    packer_.put(clock.at);
    packer_.put(clock.offset);
    end(Entry::Clock);
  }
  void operator()(const SuspendEvent& suspended) {
    put_suspended(packer_, suspended);
    end(Entry::Suspended);
  }
  void operator()(const CgroupEvent& cgroup) {
    packer_.put(cgroup.at);
    packer_.put(cgroup.id);
    packer_.put(std::string_view(cgroup.path).substr(0, kMostEntry / 2));
    end(Entry::Cgroup);
  }
  void operator()(const NamespaceEvent& range) {
    put_namespace(packer_, range);
    end(Entry::Namespace);
  }
  void operator()(const HoldersEvent& holders) {
    for (const Holding& holding : holders.holdings) add(holding);
    packer_.put(holders.at);
    packer_.put(static_cast<std::uint64_t>(holders.holdings.size()));
    end(Entry::Holders);
  }
  void operator()(const DeadEvent& walk) {
    std::uint64_t descriptors = 0;
    for (const DeadSocket& socket : walk.sockets) {
      for (const Holder& holder : socket.holders) add(socket, holder);
      descriptors += socket.holders.size();
    }
    packer_.put(walk.at);
    packer_.put(descriptors);
    end(Entry::Dead);
  }
  void operator()(const MptcpEvent& mptcp) {
    for (const MptcpSubflow& subflow : mptcp.subflows) add(subflow);
    packer_.put(mptcp.at);
    packer_.put(static_cast<std::uint64_t>(mptcp.subflows.size()));
    end(Entry::Mptcp);
  }
  void operator()(const ProcessesEvent& event) {
    pack_blocked(event, [this](Bytes bytes) { put_(Entry::BlockedThread, bytes); });
    packer_.put(event.at);
    packer_.put(static_cast<std::uint16_t>(event.processes.size()));
    for (const ProcessFacts& facts : event.processes) put_process_facts(packer_, facts);
    end(Entry::Processes);
  }
  void operator()(const StackEvent& event) {
    put_socket_stack(packer_, event);
    end(Entry::SocketStack);
  }
  void operator()(const InquiryEvent& answer) {
    for (const Holder& holder : answer.holders) add({.holder = holder});
    if (has_surroundings(answer)) {
      put_surroundings(packer_, answer);
      end(Entry::Surroundings);
    }
    packer_.put(answer.at);
    packer_.put(answer.id);
    packer_.put(answer.generation);
    packer_.put(answer.serial);
    packer_.put(answer.presence);
    packer_.put(answer.kind);
    packer_.put(answer.state);
    packer_.put(answer.cookie);
    packer_.put(answer.local);
    packer_.put(answer.attached);
    packer_.put(answer.receive_queue);
    packer_.put(answer.send_queue);
    packer_.put(static_cast<std::uint64_t>(answer.holders.size()));
    const auto subject = lifecycle_ ? lifecycle_->subject_of(answer) : std::nullopt;
    packer_.put(subject.has_value());
    if (subject) {
      packer_.put(subject->cookie);
      packer_.put(subject->object);
      packer_.put(subject->entered);
    }
    end(Entry::Inquiry);
  }

 private:
  void add(const Holding& holding) {
    packer_.put(holding.cookie);
    packer_.put(false);  // reserved
    packer_.put(holding.holder.process);
    packer_.put(holding.holder.fd);
    end(Entry::Holding);
  }
  void add(const DeadSocket& socket, const Holder& holder) {
    put_dead(packer_, socket, holder);
    end(Entry::DeadHolder);
  }
  void add(const MptcpSubflow& subflow) {
    put_subflow(packer_, subflow);
    end(Entry::MptcpSubflow);
  }
  void end(Entry entry) {
    put_(entry, bytes_);
    bytes_.clear();
  }

  const Lifecycle* lifecycle_;
  const PutEntry& put_;
  std::vector<std::byte> bytes_;
  Packer packer_{bytes_};
};

bool is_time(const Unpacker& unpacker, Nanos at) { return unpacker.ok() && at.count() >= 0; }

template <typename T>
std::optional<UserEventReader::Read> read_time(Bytes bytes) {
  Unpacker unpacker(bytes);
  T event{};
  unpacker.get(event.at);
  if (!is_time(unpacker, event.at)) return std::nullopt;
  return UserEventReader::Read{event, {}};
}

std::optional<UserEventReader::Read> read_ended(Bytes bytes) {
  Unpacker unpacker(bytes);
  Finished ended;
  unpacker.get(ended.at);
  std::uint64_t reserved = 0;
  unpacker.get(reserved);
  if (!is_time(unpacker, ended.at)) return std::nullopt;
  return UserEventReader::Read{ended, {}};
}

std::optional<UserEventReader::Read> read_loss(Bytes bytes) {
  Unpacker unpacker(bytes);
  LossEvent loss;
  unpacker.get(loss.at);
  unpacker.get(loss.cause, LossCause::RingFull, LossCause::Damaged);
  unpacker.get(loss.events);
  unpacker.get(loss.transitions);
  unpacker.get(loss.at_most);
  unpacker.get(loss.counted);
  if (!is_time(unpacker, loss.at)) return std::nullopt;
  return UserEventReader::Read{loss, {}};
}

std::optional<UserEventReader::Read> read_clock(Bytes bytes) {
  Unpacker unpacker(bytes);
  ClockEvent clock;
  unpacker.get(clock.at);
  unpacker.get(clock.offset);
  if (!is_time(unpacker, clock.at)) return std::nullopt;
  return UserEventReader::Read{clock, {}};
}

std::optional<UserEventReader::Read> read_suspended(Bytes bytes) {
  Unpacker unpacker(bytes);
  const SuspendEvent suspended = get_suspended(unpacker);
  if (!is_time(unpacker, suspended.at)) return std::nullopt;
  return UserEventReader::Read{suspended, {}};
}

std::optional<UserEventReader::Read> read_cgroup(Bytes bytes) {
  Unpacker unpacker(bytes);
  CgroupEvent cgroup;
  unpacker.get(cgroup.at);
  unpacker.get(cgroup.id);
  unpacker.get(cgroup.path);
  if (!is_time(unpacker, cgroup.at)) return std::nullopt;
  return UserEventReader::Read{std::move(cgroup), {}};
}

std::optional<UserEventReader::Read> read_namespace(Bytes bytes) {
  Unpacker unpacker(bytes);
  NamespaceEvent range = get_namespace(unpacker);
  if (!is_time(unpacker, range.at)) return std::nullopt;
  return UserEventReader::Read{std::move(range), {}};
}

std::optional<UserEventReader::Read> read_processes(Bytes bytes, BlockedEntries& blocked) {
  Unpacker unpacker(bytes);
  ProcessesEvent event;
  std::uint16_t count = 0;
  unpacker.get(event.at);
  unpacker.get(count);
  for (; count > 0 && unpacker.ok(); --count)
    event.processes.push_back(get_process_facts(unpacker));
  blocked.move_to(event);
  if (!is_time(unpacker, event.at)) return std::nullopt;
  return UserEventReader::Read{std::move(event), {}};
}

}  // namespace

void pack(const UserEvent& event, const Lifecycle* lifecycle, const PutEntry& put) {
  std::visit(UserEventPacker(lifecycle, put), event);
}

void UserEventReader::read_holding(Bytes bytes) {
  Unpacker unpacker(bytes);
  Holding holding;
  unpacker.get(holding.cookie);
  bool reserved = false;
  unpacker.get(reserved);
  unpacker.get(holding.holder.process);
  unpacker.get(holding.holder.fd);
  if (unpacker.ok() && holdings_.size() < kMostHoldings) holdings_.push_back(holding);
}

void UserEventReader::read_surroundings(Bytes bytes) {
  Unpacker unpacker(bytes);
  InquiryEvent answer = get_surroundings(unpacker);
  surroundings_ = unpacker.ok() ? std::move(answer) : InquiryEvent{};
}

std::optional<UserEventReader::Read> UserEventReader::read_holders(Bytes bytes) {
  Unpacker unpacker(bytes);
  HoldersEvent holders;
  std::uint64_t count = 0;
  unpacker.get(holders.at);
  unpacker.get(count);
  holders.holdings = std::exchange(holdings_, {});
  // Refuse an incomplete event: a socket would seem to have fewer holders.
  if (!is_time(unpacker, holders.at) || holders.holdings.size() != count) return std::nullopt;
  return Read{std::move(holders), {}};
}

void UserEventReader::read_subflow(Bytes bytes) {
  Unpacker unpacker(bytes);
  const MptcpSubflow subflow = get_subflow(unpacker);
  if (is_time(unpacker, subflow.at) && subflows_.size() < kMostHoldings)
    subflows_.push_back(subflow);
}

std::optional<UserEventReader::Read> UserEventReader::read_mptcp(Bytes bytes) {
  Unpacker unpacker(bytes);
  MptcpEvent mptcp;
  std::uint64_t count = 0;
  unpacker.get(mptcp.at);
  unpacker.get(count);
  mptcp.subflows = std::exchange(subflows_, {});
  if (!is_time(unpacker, mptcp.at) || mptcp.subflows.size() != count) return std::nullopt;
  return Read{std::move(mptcp), {}};
}

std::optional<UserEventReader::Read> UserEventReader::read_inquiry(Bytes bytes) {
  Unpacker unpacker(bytes);
  InquiryEvent answer;
  std::uint64_t count = 0;
  bool known = false;
  unpacker.get(answer.at);
  unpacker.get(answer.id);
  unpacker.get(answer.generation);
  unpacker.get(answer.serial);
  unpacker.get(answer.presence, Presence::Unknown, Presence::Present);
  unpacker.get(answer.kind, SocketKind::Full, SocketKind::Request);
  unpacker.get(answer.state, State::Established, State::Closing);
  unpacker.get(answer.cookie);
  unpacker.get(answer.local);
  unpacker.get(answer.attached);
  unpacker.get(answer.receive_queue);
  unpacker.get(answer.send_queue);
  unpacker.get(count);
  unpacker.get(known);
  std::optional<Questions::Subject> subject;
  if (known) {
    auto& [cookie, object, entered] = subject.emplace();
    unpacker.get(cookie);
    unpacker.get(object);
    unpacker.get(entered);
  }
  const auto holdings = std::exchange(holdings_, {});
  add_surroundings(answer, std::exchange(surroundings_, {}));
  // Present and CLOSED is invalid: sock_diag finds no socket in CLOSED, it answers Gone.
  const bool closed = answer.presence == Presence::Present && answer.state == State::Closed;
  if (!is_time(unpacker, answer.at) || closed || holdings.size() != count) return std::nullopt;
  for (const Holding& holding : holdings) answer.holders.push_back(holding.holder);
  return Read{std::move(answer), subject};
}

std::optional<UserEventReader::Read> UserEventReader::read(Entry entry, Bytes bytes) {
  switch (entry) {
    case Entry::Began: return Read{Began{}, {}};
    case Entry::SnapshotBegan: return Read{SnapshotBegan{}, {}};
    case Entry::SnapshotOver: return Read{SnapshotOver{}, {}};
    case Entry::Ticked: return read_time<Ticked>(bytes);
    case Entry::Stopped: return read_time<Stopped>(bytes);
    case Entry::Finished: return read_ended(bytes);
    case Entry::Loss: return read_loss(bytes);
    case Entry::Clock: return read_clock(bytes);
    case Entry::Suspended: return read_suspended(bytes);
    case Entry::Cgroup: return read_cgroup(bytes);
    case Entry::Namespace: return read_namespace(bytes);
    case Entry::Holding: read_holding(bytes); return std::nullopt;
    case Entry::Holders: return read_holders(bytes);
    case Entry::Inquiry: return read_inquiry(bytes);
    case Entry::DeadHolder: dead_.add(bytes); return std::nullopt;
    case Entry::Dead:
      if (auto look = dead_.take(bytes)) return Read{std::move(*look), {}};
      return std::nullopt;
    case Entry::MptcpSubflow: read_subflow(bytes); return std::nullopt;
    case Entry::Mptcp: return read_mptcp(bytes);
    case Entry::BlockedThread: blocked_.read(bytes); return std::nullopt;
    case Entry::Stack: stacks_.read(bytes); return std::nullopt;
    case Entry::SocketStack:
      if (auto event = stacks_.read_socket(bytes)) return Read{std::move(*event), {}};
      return std::nullopt;
    case Entry::Processes: return read_processes(bytes, blocked_);
    case Entry::Surroundings: read_surroundings(bytes); return std::nullopt;
    case Entry::QueueWalkBegan: return Read{QueueWalkBegan{}, {}};
    case Entry::QueueNamespace:
    case Entry::QueueHolder:
    case Entry::Queued:
    case Entry::StillQueued:
    case Entry::AcceptQueue:
    case Entry::AcceptQueues:
      if (auto queues = queues_.read(entry, bytes)) return Read{std::move(*queues), {}};
      return std::nullopt;
    case Entry::Kernel:
    case Entry::Setting:
    case Entry::Full: break;
  }
  return std::nullopt;
}

}  // namespace tcpdwell::recording
