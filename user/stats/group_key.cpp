// SPDX-License-Identifier: Apache-2.0
#include "stats/group_key.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace tcpdwell {
namespace {

constexpr std::pair<GroupBy, std::string_view> kGroupNames[] = {
    {GroupBy::State, "state"},        {GroupBy::LocalPort, "lport"}, {GroupBy::RemotePort, "rport"},
    {GroupBy::Remote, "remote"},      {GroupBy::Owner, "owner"},     {GroupBy::Cgroup, "cgroup"},
    {GroupBy::Netns, "netns"},        {GroupBy::Port, "port"},       {GroupBy::Pid, "pid"},
    {GroupBy::ClosedBy, "closed_by"},
};

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <typename T>
T value_of(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

}  // namespace

std::string_view name(GroupBy by) {
  const auto* const it = std::find_if(std::begin(kGroupNames), std::end(kGroupNames),
                                      [&](auto& n) { return n.first == by; });
  return it->second;
}

std::optional<GroupBy> parse_group_by(std::string_view text) {
  const auto* const it = std::find_if(std::begin(kGroupNames), std::end(kGroupNames),
                                      [&](auto& n) { return n.second == text; });
  return it == std::end(kGroupNames) ? std::nullopt : std::optional(it->first);
}

std::vector<std::string> group_names() {
  std::vector<std::string> names;
  for (const auto& [by, name] : kGroupNames) names.emplace_back(name);
  return names;
}

// The leading byte tells an empty name, which is known, from an unknown one.
std::string_view GroupKey::known(std::string_view bytes) {
  bytes_.assign(1, '\1').append(bytes);
  return bytes_;
}

std::string_view GroupKey::of_port(std::uint16_t port) {
  return port == 0 ? std::string_view{} : known(bytes_of(port));
}

// Empty for a listener, which has no remote end.
std::string_view GroupKey::of_remote(const Endpoint& remote, Family family) {
  if (remote.port == 0) return {};
  known(bytes_of(family));
  bytes_.append(bytes_of(remote.addr));
  return bytes_;
}

std::string_view GroupKey::of_owner(const Process* process) {
  return process == nullptr ? std::string_view{} : known(process->comm_view());
}

std::string_view GroupKey::of_netns(std::uint32_t netns) {
  return netns == 0 ? std::string_view{} : known(bytes_of(netns));
}

// Empty while the role is not known: the lower port need not be the service's.
std::string_view GroupKey::of_service(Role role, std::uint16_t local, std::uint16_t remote) {
  if (role == Role::Unknown) return {};
  return of_port(role == Role::Client ? remote : local);
}

// Empty also for a process that is not visible.
std::string_view GroupKey::of_pid(const Process* process) {
  return process == nullptr || process->pid == 0 ? std::string_view{}
                                                 : known(bytes_of(process->pid));
}

std::string_view GroupKey::of(const ConnectionRecord& record) {
  return known(name(record.closed_by));
}

std::string_view GroupKey::of(const SocketInfo& socket) {
  switch (by_) {
    case GroupBy::State: break;
    case GroupBy::LocalPort: return of_port(socket.flow.local.port);
    case GroupBy::RemotePort: return of_port(socket.flow.remote.port);
    case GroupBy::Remote: return of_remote(socket.flow.remote, socket.flow.family);
    case GroupBy::Owner: return of_owner(socket.owner ? &socket.owner->process : nullptr);
    case GroupBy::Cgroup: return socket.cgroup.empty() ? std::string_view{} : known(socket.cgroup);
    case GroupBy::Netns: return of_netns(socket.flow.netns);
    case GroupBy::Port:
      return of_service(socket.role, socket.flow.local.port, socket.flow.remote.port);
    case GroupBy::Pid: return of_pid(socket.owner ? &socket.owner->process : nullptr);
    case GroupBy::ClosedBy: break;
  }
  return {};
}

std::string_view GroupKey::of(const OpenConnection& connection) {
  switch (by_) {
    case GroupBy::State: break;
    case GroupBy::LocalPort: return of_port(connection.local_port());
    case GroupBy::RemotePort: return of_port(connection.remote().port);
    case GroupBy::Remote: return of_remote(connection.remote(), connection.site().family);
    case GroupBy::Owner: return of_owner(connection.owner());
    case GroupBy::Cgroup: {
      const std::string* path = connection.cgroup();
      return path == nullptr || path->empty() ? std::string_view{} : known(*path);
    }
    case GroupBy::Netns: return of_netns(connection.site().netns);
    case GroupBy::Port:
      return of_service(connection.role(), connection.local_port(), connection.remote().port);
    case GroupBy::Pid: return of_pid(connection.owner());
    case GroupBy::ClosedBy: return known(name(connection.closed_by()));
  }
  return {};
}

std::optional<std::string> text_of(GroupBy by, std::string_view key) {
  if (key.empty()) return std::nullopt;
  key.remove_prefix(1);
  switch (by) {
    case GroupBy::State: break;
    case GroupBy::LocalPort:
    case GroupBy::RemotePort:
    case GroupBy::Port: return std::to_string(value_of<std::uint16_t>(key));
    case GroupBy::Remote: {
      const auto family = value_of<Family>(key);
      const auto addr = value_of<decltype(Endpoint::addr)>(key.substr(sizeof family));
      return format_address({addr, 0}, family);
    }
    case GroupBy::Netns:
    case GroupBy::Pid: return std::to_string(value_of<std::uint32_t>(key));
    case GroupBy::ClosedBy:
    case GroupBy::Owner:
    case GroupBy::Cgroup: break;
  }
  return std::string(key);
}

}  // namespace tcpdwell
