// SPDX-License-Identifier: Apache-2.0
// Where sockets were opened and where their end of stream was read (--where), by cookie. Keeps
// those of the sockets in the table, and of the kMostEnded last ones that left it: their
// descriptors may still be open. Pure.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>

#include "model/event.h"
#include "model/record.h"

namespace tcpdwell {

class CodePlaces {
 public:
  static constexpr std::size_t kMostEnded = 65'536;

  // `open`: the socket is in the table.
  void on(const StackEvent& event, bool open);
  // The connection left the table.
  void ended(std::uint64_t cookie) {
    if (!places_.empty()) mark_ended(cookie);
  }
  // `older`: the connection is older than the trace.
  void add_to(FlagRecord& flag, std::uint64_t cookie, bool older) const;

 private:
  struct Places {
    CodePlace opened, eof_read;
    bool ended = false;
  };
  void mark_ended(std::uint64_t cookie);

  absl::flat_hash_map<std::uint64_t, Places> places_;
  std::deque<std::uint64_t> ended_;  // oldest first
};

}  // namespace tcpdwell
