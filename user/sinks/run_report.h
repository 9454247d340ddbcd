// SPDX-License-Identifier: Apache-2.0
// The report of `tcpdwell run` after its command has ended: the sockets that were left behind,
// grouped by cause; sockets that were only slow; and always the thresholds and the longest dwells.
//
// A socket is left behind if only an exit closed it, or nothing. An orphaned socket was closed; a
// socket that was not accepted or never connected is not a leak either.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leaks/leak_groups.h"
#include "lifecycle/owned_flags.h"
#include "model/record.h"
#include "model/thresholds.h"
#include "sinks/output.h"
#include "sinks/text_format.h"

namespace tcpdwell {

class RunReport {
 public:
  RunReport(Output& output, const TextStyle& style, const Thresholds& thresholds, Nanos exit_grace)
      : output_(output), style_(style), thresholds_(thresholds), exit_grace_(exit_grace) {}
  // A cleared flag has the full dwell of the one raised before it. A raised flag with `by_exit` or
  // `slow` is final for its socket.
  void add(const FlagRecord& flag);
  // `status`: 128+N for a signal, as in a shell.
  void print(const std::string& command, int status, const std::vector<Longest>& longest);
  // Writes each flag once, with its outcome.
  void write_flags(Sink& sink) const;
  // Number of leaked sockets; each counts once, even if several of its states were flagged.
  std::size_t leaked() const;

 private:
  enum class Fate : std::uint8_t { LeftBehind, Slow, NoLeak };
  struct Key {
    std::uint64_t cookie;
    std::uint32_t life;
    State state;
    FlagKind kind;
    Flow flow;  // if there is no cookie
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
  OwnedFlags flags_;          // as raised, with the last known dwell
  std::vector<bool> closed_;  // whether that dwell is final
  absl::flat_hash_map<Key, std::size_t> index_;
};

}  // namespace tcpdwell
