// SPDX-License-Identifier: Apache-2.0
// Descriptors whose connection is over, as the bytes of entries, and back.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "model/event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

// `holder`: one of the socket's.
void put_dead(Packer& packer, const DeadSocket& socket, const Holder& holder);
// Puts a look together again.
class DeadReader {
 public:
  // An entry of put_dead().
  void add(std::span<const std::byte> bytes);
  // The look that those before are of; nullopt: it is not whole, or not one that can be.
  std::optional<DeadEvent> take(std::span<const std::byte> bytes);
  void clear() { sockets_.clear(); }

 private:
  std::vector<DeadSocket> sockets_;  // each with one holder
};

}  // namespace tcpdwell::recording
