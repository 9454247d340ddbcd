// SPDX-License-Identifier: Apache-2.0
// A read-only view of one connection, for walks through the table. It refers to the table: do not
// keep it. It is cheap to make; fields are looked up only when read.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "lifecycle/publisher.h"
#include "lifecycle/table.h"

namespace tcpdwell {

class OpenConnection {
 public:
  OpenConnection(ConnectionTable::Id id, const ConnectionTable& table, const Publisher& publisher)
      : id_(id), connection_(table[id]), table_(table), publisher_(publisher) {}

  // Identifies the connection as long as it is open, and never another one: Lifecycle::find_open().
  std::uint64_t key() const { return std::uint64_t{id_} << 32U | connection_.generation; }
  std::uint64_t cookie() const { return connection_.cookie; }  // 0: not known
  State state() const { return connection_.state; }
  bool flagged() const { return connection_.flag == FlagStage::Raised; }
  Side closed_by() const { return connection_.closed_by; }
  Role role() const { return connection_.role; }
  const Site& site() const { return table_.site(connection_); }
  std::uint16_t local_port() const { return connection_.local_port; }  // 0: not chosen yet
  bool port_bound() const { return connection_.port_bound; }           // best effort
  bool timestamped() const { return connection_.timestamped; }
  Nanos entered() const { return connection_.entered; }  // its state; an upper bound if not exact
  Endpoint remote() const { return {connection_.remote, connection_.remote_port}; }
  const Process* owner() const { return table_.owner(connection_); }  // nullptr: not known
  Via owner_via() const { return connection_.owner_via; }
  SocketInfo socket() const { return publisher_.socket_info(connection_); }  // without its cgroup
  Flow flow() const { return table_.flow(connection_); }
  Side opened_by() const { return connection_.opened_by; }
  // Time in its state.
  Dwell age(Nanos now) const { return publisher_.age_of(connection_, now); }
  // Upper bound of age(), if that is a lower bound; nullopt: none.
  std::optional<Nanos> age_at_most(Nanos now) const {
    const auto earliest = table_.entered_earliest(connection_);
    return earliest ? std::optional(now - *earliest) : std::nullopt;
  }
  // Time in the states that it has left. Indexed by State.
  std::array<StateTime, kStates> times() const { return table_.times(connection_); }
  // The path of its cgroup; nullptr: not known.
  const std::string* cgroup() const { return publisher_.known_path_of(connection_); }

 private:
  ConnectionTable::Id id_;
  const Connection& connection_;
  const ConnectionTable& table_;
  const Publisher& publisher_;
};

}  // namespace tcpdwell
