// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes an AcceptQueuesEvent. It takes several entries, since a queue can hold
// thousands of connections.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "model/event.h"
#include "recording/format.h"

namespace tcpdwell::recording {

void pack_queues(const AcceptQueuesEvent& event,
                 const std::function<void(Entry entry, std::span<const std::byte> bytes)>& put);

class QueueReader {
 public:
  // Returns the event with its last entry. nullopt: incomplete, invalid, or another kind of entry.
  std::optional<AcceptQueuesEvent> read(Entry entry, std::span<const std::byte> bytes);
  // Call it after a loss: drops the entries so far, which may be incomplete.
  void lost() {
    event_ = {};
    queue_ = {};
    pieces_ = 0;
  }

 private:
  void read_namespace(std::span<const std::byte> bytes);
  void read_holder(std::span<const std::byte> bytes);
  void read_queued(std::span<const std::byte> bytes);
  void read_still_queued(std::span<const std::byte> bytes);
  void read_queue(std::span<const std::byte> bytes);
  std::optional<AcceptQueuesEvent> read_all(std::span<const std::byte> bytes);

  AcceptQueuesEvent event_;
  ListenQueue queue_;
  std::size_t pieces_ = 0;  // entries of event_, to bound it
};

}  // namespace tcpdwell::recording
