// SPDX-License-Identifier: Apache-2.0
// A read-only view of one connection, for walks through the table. It refers to the table: do not
// keep it. It is cheap to make; fields are looked up only when read.
#pragma once

#include <cstdint>
#include <string>

#include "lifecycle/publisher.h"
#include "lifecycle/table.h"

namespace tcpdwell {

class OpenConnection {
 public:
  OpenConnection(const Connection& connection, const ConnectionTable& table,
                 const Publisher& publisher)
      : connection_(connection), table_(table), publisher_(publisher) {}

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
  // The path of its cgroup; nullptr: not known.
  const std::string* cgroup() const { return publisher_.known_path_of(connection_); }

 private:
  const Connection& connection_;
  const ConnectionTable& table_;
  const Publisher& publisher_;
};

}  // namespace tcpdwell
