// SPDX-License-Identifier: Apache-2.0
// What `tcpdwell run` says when its command has ended: which sockets it left behind, grouped by
// reason; which were only slow; and, also where all is well, how near it was.
//
// Left behind is what nothing but an exit closed, and what was not closed at all. Orphaned sockets
// were closed; what nobody accepted, or never was connected, is no leak either.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lifecycle/owned_flags.h"
#include "leaks/leak_groups.h"
#include "model/record.h"
#include "model/thresholds.h"
#include "sinks/output.h"
#include "sinks/text_format.h"

namespace tcpdwell {

class RunReport {
 public:
  RunReport(Output& output, const TextStyle& style, const Thresholds& thresholds, Nanos exit_grace)
      : output_(output), style_(style), thresholds_(thresholds), exit_grace_(exit_grace) {}
  // A flag that is cleared says how long the one raised before it lasted in all. A raised one that
  // says `by_exit` or `slow` is the last word about its socket.
  void add(const FlagRecord& flag);
  // `status`: as a shell shows it, 128+N for a signal.
  void print(const std::string& command, int status, const std::vector<Longest>& longest);
  // Each flag once, with what became of it.
  void write_flags(Sink& sink) const;
  // Sockets, each counted once however many of its states were flagged.
  std::size_t leaked() const;

 private:
  enum class Fate : std::uint8_t { LeftBehind, Slow, NoLeak };
  struct Key {
    std::uint64_t cookie;
    std::uint32_t life;
    State state;
    FlagKind kind;
    Flow flow;  // where there is no cookie
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Key& key) {
      return H::combine(std::move(hash), key.cookie, key.life, key.state, key.kind, key.flow);
    }
  };
  static Key key_of(const FlagRecord& flag);

  Fate fate_of(std::size_t entry) const;
  std::string line_of(std::size_t entry) const;
  void put(std::string_view text, std::string_view color = {});
  std::size_t print_groups(Fate fate);
  void print_group(const LeakGroup& group, const std::vector<std::size_t>& entries, Fate fate);
  void print_limits(const std::vector<Longest>& longest);

  Output& output_;
  TextStyle style_;
  Thresholds thresholds_;
  Nanos exit_grace_;
  OwnedFlags flags_;           // as raised; the dwell is the last that is known
  std::vector<bool> closed_;  // ... and whether it is that in all
  absl::flat_hash_map<Key, std::size_t> places_;
};

}  // namespace tcpdwell
