// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes the entries of dead sockets.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "model/event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

// `holder`: one of the socket's holders. Write one entry for each.
void put_dead(Packer& packer, const DeadSocket& socket, const Holder& holder);
// Collects the entries of one DeadEvent.
class DeadReader {
 public:
  // An entry of put_dead().
  void add(std::span<const std::byte> bytes);
  // Ends the DeadEvent of the entries added so far. nullopt: incomplete or invalid.
  std::optional<DeadEvent> take(std::span<const std::byte> bytes);
  void clear() { sockets_.clear(); }

 private:
  std::vector<DeadSocket> sockets_;  // each with one holder
};

}  // namespace tcpdwell::recording
