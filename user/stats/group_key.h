// SPDX-License-Identifier: Apache-2.0
// The group of a connection in `stats`, as bytes. Computed for each transition, so nothing is
// formatted. Empty: the group is not known.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lifecycle/open_connection.h"
#include "stats/stats_record.h"

namespace tcpdwell {

class GroupKey {
 public:
  explicit GroupKey(GroupBy by) : by_(by) {}
  // The result is valid until the next call.
  std::string_view of(const SocketInfo& socket);
  std::string_view of(const OpenConnection& connection);
  std::string_view of(const ConnectionRecord& record);  // by ClosedBy only

 private:
  std::string_view known(std::string_view bytes);
  std::string_view of_port(std::uint16_t port);
  std::string_view of_remote(const Endpoint& remote, Family family);
  std::string_view of_owner(const Process* process);
  std::string_view of_netns(std::uint32_t netns);
  std::string_view of_service(Role role, std::uint16_t local, std::uint16_t remote);
  std::string_view of_pid(const Process* process);

  GroupBy by_;
  std::string bytes_;
};

// The text of a key: a number, an address, or a name (untrusted bytes). nullopt: not known.
std::optional<std::string> text_of(GroupBy by, std::string_view key);

}  // namespace tcpdwell
