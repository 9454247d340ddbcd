// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes user events as entries of a recording.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "lifecycle/lifecycle.h"
#include "model/user_event.h"
#include "recording/blocked_entry.h"
#include "recording/dead_entry.h"
#include "recording/format.h"
#include "recording/queue_entries.h"
#include "recording/stack_entry.h"

namespace tcpdwell::recording {

using PutEntry = std::function<void(Entry entry, std::span<const std::byte> bytes)>;

// Writes one entry, or several for an answer that names many descriptors. `lifecycle`: the table
// that asked the question, before the answer is applied; may be null if `event` is no InquiryEvent.
void pack(const UserEvent& event, const Lifecycle* lifecycle, const PutEntry& put);

// Collects entries, and returns each event with its last entry.
class UserEventReader {
 public:
  struct Read {
    UserEvent event;
    // For an InquiryEvent: the connection that it is about; nullopt: none.
    std::optional<Questions::Subject> subject;
  };
  // nullopt: no user event, incomplete, or invalid.
  std::optional<Read> read(Entry entry, std::span<const std::byte> bytes);
  // Call it after a loss: drops the entries so far, which may be incomplete.
  void lost() {
    holdings_.clear();
    dead_.clear();
    subflows_.clear();
    surroundings_ = {};
    queues_.lost();
    blocked_.lost();
  }

 private:
  std::optional<Read> read_inquiry(std::span<const std::byte> bytes);
  std::optional<Read> read_holders(std::span<const std::byte> bytes);
  void read_holding(std::span<const std::byte> bytes);
  std::optional<Read> read_mptcp(std::span<const std::byte> bytes);
  void read_subflow(std::span<const std::byte> bytes);
  void read_surroundings(std::span<const std::byte> bytes);

  std::vector<Holding> holdings_;
  std::vector<MptcpSubflow> subflows_;
  DeadReader dead_;
  InquiryEvent surroundings_;  // for the next InquiryEvent; only the fields of its entry
  QueueReader queues_;
  BlockedEntries blocked_;
  StackEntries stacks_;
};

}  // namespace tcpdwell::recording
