// SPDX-License-Identifier: Apache-2.0
// What `tcpdwell run` says when its command has ended: which sockets it leaked, grouped by reason,
// and a summary that is there even if there is no leak. Orphaned sockets were closed: no leaks.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/kept_flags.h"
#include "core/leak_groups.h"
#include "core/record.h"
#include "sinks/output.h"
#include "sinks/text_format.h"

namespace tcpdwell {

class RunReport {
 public:
  RunReport(Output& output, const TextStyle& style) : output_(output), style_(style) {}
  // A flag that is cleared says how long the one raised before it lasted in all.
  void add(const FlagRecord& flag);
  // `status`: as a shell shows it, 128+N for a signal.
  void print(const std::string& command, int status);
  // Sockets, each counted once however many of its states were flagged.
  std::size_t leaked() const;

 private:
  struct Key {
    std::uint64_t cookie;
    std::uint32_t life;
    State state;
    Flow flow;  // where there is no cookie
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Key& key) {
      return H::combine(std::move(hash), key.cookie, key.life, key.state, key.flow);
    }
  };
  static Key key_of(const FlagRecord& flag);

  std::string line_of(std::size_t entry) const;
  void put(std::string_view text, std::string_view color = {});
  void print_group(const LeakGroup& group, const std::vector<std::size_t>& entries);

  Output& output_;
  TextStyle style_;
  KeptFlags flags_;           // as raised; the dwell is the last that is known
  std::vector<bool> closed_;  // ... and whether it is that in all
  absl::flat_hash_map<Key, std::size_t> places_;
};

}  // namespace tcpdwell
