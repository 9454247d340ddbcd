// SPDX-License-Identifier: Apache-2.0
// A bounded sample of whole lives: all flagged ones first (the oldest of them), and of the others
// those whose hash is small enough. The hash is of the connection, so a replay keeps the same ones.
// Each life of the sample has all its transitions.
#pragma once

#include <absl/container/node_hash_map.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "lifecycle/lifecycle.h"
#include "model/record.h"
#include "report/services.h"

namespace tcpdwell::reporting {

// A state of a life.
struct Span {
  State state = State::Closed;
  Why why = Why::Unknown;  // what began it
  Nanos begin{}, end{};
  // Of end - begin, as in Dwell; nullopt: it began before `begin`.
  std::optional<Nanos> error{Nanos{0}};
};

// A flag of a life.
struct Mark {
  FlagKind kind = FlagKind::State;
  State state = State::CloseWait;
  Cause cause = Cause::None;
  Nanos raised{}, cleared{};   // cleared 0: it still was raised at the end
  Nanos threshold{}, since{};  // since: when the state began
  std::string holders;         // printable; as of when it was raised
  std::string where;           // printable; the line of code that tells most; may be empty
};

struct Life {
  std::uint64_t cookie = 0, order = 0;  // order: the hash
  std::uint32_t number = 0;             // of the lives of its cookie
  Flow flow;
  Role role = Role::Unknown;
  Services::Id service = Services::kOther;
  std::optional<Owner> owner, closer;
  Side opened_by = Side::Unknown, closed_by = Side::Unknown;
  bool closed = false;  // it went to CLOSED
  bool over = false;    // its end was seen
  Ended ended = Ended::Unknown;
  std::optional<TimeWaitEnded> time_wait_ended;
  std::uint8_t syns_sent = 0;  // 0: not known
  std::optional<Tally> tally;
  std::vector<Span> spans;  // in the order of time
  std::vector<Mark> marks;
  Nanos begin() const { return spans.empty() ? Nanos{0} : spans.front().begin; }
  Nanos end() const { return spans.empty() ? Nanos{0} : spans.back().end; }
};

// Of how many lives one has such a hash or a smaller one.
double one_of_hash(std::uint64_t order);

class Lives {
 public:
  explicit Lives(std::size_t most) : most_(most) {}

  void add(Services::Id service, const TransitionRecord& record);
  void add(Services::Id service, const ConnectionRecord& record);
  void add(Services::Id service, const FlagRecord& record);
  // Completes the lives that were flagged since the last call. Call it at every tick.
  void ticked(Nanos now, const Lifecycle& lifecycle);
  // Adds the connections that are open at the end.
  void finish(Nanos now, const Lifecycle& lifecycle, Services& services);
  // What happened before this time is left out, but for flags that are still raised.
  void begin_at();

  // Flagged lives first, the oldest first; then the others by their hash. Empties the sample.
  std::vector<Life> take();
  std::uint64_t flagged() const { return flagged_; }  // also those that were left out
  // How many of the others each of the sample stands for.
  double one_of() const { return one_of_hash(limit_); }

 private:
  struct Key {
    std::uint64_t id = 0;
    std::uint32_t life = 0;
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Key& key) {
      return H::combine(std::move(hash), key.id, key.life);
    }
  };
  static Key key_of(const SocketInfo& socket);
  Life* find(const SocketInfo& socket);
  Life* find_or_choose(const SocketInfo& socket, Services::Id service);
  Life& create(const Key& key, const SocketInfo& socket, Services::Id service, std::uint64_t order);
  void thin_out();

  std::size_t most_;
  std::uint64_t limit_ = ~std::uint64_t{0};  // of the hash
  absl::node_hash_map<Key, Life> lives_;
  std::size_t unflagged_ = 0;  // of lives_
  std::uint64_t flagged_ = 0;
  std::vector<Key> incomplete_;
};

}  // namespace tcpdwell::reporting
