// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes stacks with names. A stack that many sockets have is one entry, and an entry
// of a socket has its number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "model/event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

// If the entry would be too large, the outermost frames are left out, and the stack is truncated.
void put_stack(Packer& packer, const Stack& stack);
Stack get_stack(Unpacker& unpacker);

void put_numbered_stack(Packer& packer, const StackEvent& event);
// Without the stack itself: the recorder writes that before the first event that has it.
void put_socket_stack(Packer& packer, const StackEvent& event);

// The stacks by their numbers. They stay known after a loss.
class StackEntries {
 public:
  void read(std::span<const std::byte> bytes);
  // nullopt: damaged. If its stack is not known, NoStack::Budget.
  std::optional<StackEvent> read_socket(std::span<const std::byte> bytes) const;

 private:
  static constexpr std::size_t kMostStacks = 65'536;
  std::map<std::uint32_t, std::shared_ptr<const Stack>> by_number_;
};

}  // namespace tcpdwell::recording
