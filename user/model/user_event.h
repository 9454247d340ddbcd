// SPDX-License-Identifier: Apache-2.0
// Events that user space adds to the kernel's records. A run depends on the records, the user
// events and their order, and on nothing else. A recording holds both.
#pragma once

#include <cstdint>
#include <variant>

#include "model/event.h"

namespace tcpdwell {

// The first event: all programs are attached, output begins.
struct Began {};
// Time passed. All earlier records have been delivered.
struct Ticked {
  Nanos at{};
};
// A walk through all sockets. Its SnapshotEvents come between these two.
struct SnapshotBegan {};
struct SnapshotOver {};
// A walk through accept queues begins. Its AcceptQueuesEvent comes later.
struct QueueWalkBegan {};
// The run ends at this time. Ignore records from then on.
struct Stopped {
  Nanos at{};
};
// The last event.
struct Finished {
  Nanos at{};
  bool truncated = false;  // EndRecord::truncated
};

using UserEvent = std::variant<Began, Ticked, SnapshotBegan, SnapshotOver, QueueWalkBegan,
                               LossEvent, ClockEvent, SuspendEvent, CgroupEvent, NamespaceEvent,
                               InquiryEvent, HoldersEvent, ProcessesEvent, MptcpEvent,
                               AcceptQueuesEvent, DeadEvent, StackEvent, Stopped, Finished>;

}  // namespace tcpdwell
