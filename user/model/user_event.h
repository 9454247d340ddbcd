// SPDX-License-Identifier: Apache-2.0
// What the table is told beside the kernel's records, by user space. Together, and in their order,
// they are all that a run depends on: a recording is the two of them.
#pragma once

#include <cstdint>
#include <variant>

#include "model/event.h"

namespace tcpdwell {

// The first: all is attached, what comes next is to be told.
struct Began {};
// Time passed: every record before it is there.
struct Ticked {
  Nanos at{};
};
// A walk through all sockets: what it finds comes as SnapshotEvents in between.
struct SnapshotBegan {};
struct SnapshotOver {};
// A walk through accept queues: its AcceptQueuesEvent comes later.
struct QueueWalkBegan {};
// What happened at or after it is no part of the run.
struct Stopped {
  Nanos at{};
};
// The last.
struct Finished {
  Nanos at{};
  bool truncated = false;  // EndRecord::truncated
};

using UserEvent =
    std::variant<Began, Ticked, SnapshotBegan, SnapshotOver, QueueWalkBegan, LossEvent, ClockEvent,
                 SuspendEvent, CgroupEvent, NamespaceEvent, InquiryEvent, HoldersEvent,
                 ProcessesEvent, MptcpEvent, AcceptQueuesEvent, DeadEvent, Stopped, Finished>;

}  // namespace tcpdwell
