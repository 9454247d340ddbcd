// SPDX-License-Identifier: Apache-2.0
// Owns all connections: a slab with stable ids, indexes by cookie, kernel address and flow, and
// pools for shared and rare fields. About 145 bytes for an open connection, 160 in TIME_WAIT.
// Bounded: beyond `max`, the clock algorithm evicts a connection without recent events (second
// chance for connections with events since the last round, and for flagged ones).
#pragma once

#include <absl/container/flat_hash_set.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lifecycle/connection.h"
#include "model/interner.h"
#include "model/pool.h"
#include "model/port_ranges.h"

namespace tcpdwell {

class ConnectionTable {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = UINT32_MAX;

  explicit ConnectionTable(std::size_t max);
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

  // The connection to erase before the next create(), counted as evicted; kNone: the table has
  // room.
  Id victim();
  // The new connection is in no index.
  Id create();
  void erase(Id id);  // from every index too
  Connection& operator[](Id id) { return (*slots_[id / kChunk])[id % kChunk]; }
  const Connection& operator[](Id id) const { return (*slots_[id / kChunk])[id % kChunk]; }
  // The connection had an event.
  void touch(Id id) { (*this)[id].recent = true; }

  Id by_cookie(std::uint64_t cookie) const { return find(by_cookie_, cookie); }
  Id by_object(std::uint64_t object) const { return find(by_object_, object); }
  Id by_flow(const Flow& flow) const { return find(by_flow_, flow); }
  // Change a key only while the connection is not in that index. If two connections have the same
  // key, the later one is found.
  void index_cookie(Id id, std::uint64_t cookie);
  void index_object(Id id, std::uint64_t object);
  void index_flow(Id id);
  void forget_cookie(Id id);
  void forget_object(Id id);
  void forget_flow(Id id);
  // Prefetches the index entry for by_cookie() or by_object().
  void prefetch_cookie(std::uint64_t cookie) const { by_cookie_.prefetch(cookie); }
  void prefetch_object(std::uint64_t object) const { by_object_.prefetch(object); }
  void prefetch(Id id) const;

  Flow flow(const Connection& connection) const;
  const Site& site(const Connection& connection) const { return sites_[connection.site]; }
  bool has_flow(const Connection& connection, const Flow& flow) const;
  void set_flow(Connection& connection, const Flow& flow);
  const Process* owner(const Connection& connection) const;  // nullptr: not known
  const Process* closer(const Connection& connection) const;
  void set_owner(Connection& connection, const Process& process, Via via);
  void set_closer(Connection& connection, const Process& process);
  // Copies owner and Via.
  void copy_owner(Connection& to, const Connection& from);
  std::optional<Tally> tally(const Connection& connection) const;  // nullopt: not known
  void set_tally(Connection& connection, const Tally& tally);
  const MinisockStart* minisock_start(const Connection& connection) const;  // nullptr: none
  void set_minisock_start(Connection& connection, const MinisockStart& start);
  void drop_minisock_start(Connection& connection);

  // Creates it if the connection has none.
  ColdState& cold_state(Connection& connection);
  const ColdState* find_cold_state(const Connection& connection) const;
  // Releases the connection's ColdState if it is not needed any more.
  void tidy(Connection& connection);

  std::uint32_t life(const Connection& connection) const;
  void set_life(Connection& connection, std::uint32_t life);
  Nanos entered_error(const Connection& connection) const;
  void set_entered_error(Connection& connection, Nanos error);
  // Lower bound of `entered` if that is an upper bound; nullopt: none. A connection has either this
  // bound or an error.
  std::optional<Nanos> entered_earliest(const Connection& connection) const;
  void set_entered_earliest(Connection& connection, std::optional<Nanos> earliest);
  // Adds `dwell` to the connection's time in `state`.
  void spend(Connection& connection, State state, Nanos dwell, Nanos error, bool lower_bound);
  // Indexed by State.
  std::array<StateTime, kStates> times(const Connection& connection) const;

  // Port ranges of the namespaces of its connections.
  PortRanges& port_ranges() { return port_ranges_; }
  const PortRanges& port_ranges() const { return port_ranges_; }

  std::size_t size() const { return size_; }
  std::uint64_t evicted() const { return evicted_; }
  // Ids are less than ids(); some slots are free.
  Id ids() const { return made_; }
  std::uint32_t generation(Id id) const { return (*this)[id].generation; }
  bool alive(Id id, std::uint32_t generation) const {
    return id < ids() && (*this)[id].used && (*this)[id].generation == generation;
  }
  template <typename Fn>
  void for_each(Fn&& fn) const {
    for (Id id = 0; id < made_; ++id)
      if ((*this)[id].used) fn(id);
  }

 private:
  static constexpr std::size_t kChunk = 512;  // 64 KiB

  struct CookieKey {
    using is_transparent = void;
    const ConnectionTable* table;
    static std::uint64_t key(std::uint64_t cookie) { return cookie; }
    std::uint64_t key(Id id) const { return (*table)[id].cookie; }
  };
  struct ObjectKey {
    using is_transparent = void;
    const ConnectionTable* table;
    static std::uint64_t key(std::uint64_t object) { return object; }
    std::uint64_t key(Id id) const { return (*table)[id].object; }
  };
  struct FlowKey {
    using is_transparent = void;
    const ConnectionTable* table;
    static const Flow& key(const Flow& flow) { return flow; }
    Flow key(Id id) const { return table->flow((*table)[id]); }
  };
  // A set of ids, hashed by the key in their connection: keys are not stored twice.
  template <typename Key>
  struct Hash : Key {
    template <typename T>
    std::size_t operator()(const T& of) const {
      return absl::HashOf(Key::key(of));
    }
  };
  template <typename Key>
  struct Equal : Key {
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Key::key(a) == Key::key(b);
    }
  };
  template <typename Key>
  using Index = absl::flat_hash_set<Id, Hash<Key>, Equal<Key>>;

  template <typename Set, typename Key>
  static Id find(const Set& set, const Key& key) {
    const auto it = set.find(key);
    return it == set.end() ? kNone : *it;
  }
  template <typename Set>
  static Id put(Set& set, Id id);
  void release(Connection& connection);
  void drop_tally(Connection& connection);
  void move_to_cold(Connection& connection);

  std::size_t max_;
  std::size_t size_ = 0;
  std::uint64_t evicted_ = 0;
  std::vector<std::unique_ptr<std::array<Connection, kChunk>>> slots_;
  Id made_ = 0;
  std::vector<Id> free_;
  Id hand_ = 0;                 // of the clock algorithm
  Index<CookieKey> by_cookie_;  // full sockets, and minisocks until their full socket is gone
  Index<ObjectKey> by_object_;  // requests, newborns, minisocks
  Index<FlowKey> by_flow_;      // requests, and minisocks of unknown origin
  Interner<Site> sites_;
  Interner<Process> processes_;
  PortRanges port_ranges_;
  Pool<SmallTally> small_tallies_;
  Pool<Tally> large_tallies_;
  Pool<MinisockStart> starts_;
  Pool<ColdState> cold_states_;
};

}  // namespace tcpdwell
