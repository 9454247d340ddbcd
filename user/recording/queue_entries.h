// SPDX-License-Identifier: Apache-2.0
// What a walk through accept queues found, as entries of a recording, and back: in pieces, as a
// queue can hold thousands.
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
  // nullopt: not whole yet, no piece of it, or not one that can be.
  std::optional<AcceptQueuesEvent> read(Entry entry, std::span<const std::byte> bytes);
  // What came so far may lack something.
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
  std::size_t pieces_ = 0;  // of event_, to bound it
};

}  // namespace tcpdwell::recording
