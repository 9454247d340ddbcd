// SPDX-License-Identifier: Apache-2.0
// Notes as entries of a recording, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "lifecycle/lifecycle.h"
#include "model/user_event.h"
#include "recording/dead_entry.h"
#include "recording/format.h"
#include "recording/queue_entries.h"

namespace tcpdwell::recording {

using PutEntry = std::function<void(Entry entry, std::span<const std::byte> bytes)>;

// One or several entries: an answer that names many descriptors is told in pieces. `lifecycle` is
// whose question an answer is about, before it knows the answer; null: no answer is among them.
void pack(const UserEvent& note, const Lifecycle* lifecycle, const PutEntry& put);

// Puts the pieces together again.
class UserEventReader {
 public:
  struct Read {
    UserEvent note;
    // Of an Inquiry: who it is about, if anybody was.
    std::optional<Questions::Subject> subject;
  };
  // nullopt: not a note, not whole yet, or not one that can be.
  std::optional<Read> read(Entry entry, std::span<const std::byte> bytes);
  // What came so far may lack something.
  void lost() {
    holdings_.clear();
    dead_.clear();
    subflows_.clear();
    surroundings_ = {};
    queues_.lost();
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
  InquiryEvent surroundings_;  // of the next one; only what its entry has
  QueueReader queues_;
};

}  // namespace tcpdwell::recording
