// SPDX-License-Identifier: Apache-2.0
#include "core/leak_groups.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>
#include <utility>

namespace tcpdwell {
namespace {

using Counts = absl::flat_hash_map<std::string, std::size_t>;

template <typename Int>
void add(std::string& key, Int value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    key += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xffU);
}

bool same_process(const Process& a, const Process& b) {
  return a.pid == b.pid && a.comm_view() == b.comm_view();
}

void add_process(std::string& key, const Process& process) {
  add(key, process.pid);
  key += process.comm_view();
  key += '\0';
}

void add_address(std::string& key, const Endpoint& end) {
  key.append(reinterpret_cast<const char*>(end.addr.data()), end.addr.size());
}

// Who holds it, and what is wrong with it.
std::string base_key(const FlagRecord& flag) {
  std::string key;
  add(key, index(flag.state));
  add(key, static_cast<std::uint8_t>(flag.cause));
  add(key, static_cast<std::uint8_t>(flag.by_exit));
  add(key, flag.socket.flow.netns);
  add(key, static_cast<std::uint8_t>(flag.socket.flow.family));
  const Process* last = nullptr;
  for (const Holder& holder : flag.holders) {  // by pid
    if (!last || !same_process(*last, holder.process)) add_process(key, holder.process);
    last = &holder.process;
  }
  if (flag.holders.empty() && flag.socket.owner) {
    key += 'o';
    add_process(key, flag.socket.owner->process);
  }
  return key;
}

struct Keyed {
  std::size_t index = 0;
  std::string server, client;  // its key if it is the one or the other
  bool is_server = false;
  std::string key, wider_key;
};

std::string server_key(std::string base, const Flow& flow) {
  base += 's';
  add(base, flow.local.port);
  return base;
}

std::string client_key(std::string base, const Flow& flow) {
  base += 'c';
  add(base, flow.remote.port);
  return base;
}

// The lower of two ports is the one that a service listens on, where nothing else tells.
bool looks_like_server(const FlagRecord& flag, std::size_t as_server, std::size_t as_client) {
  switch (flag.socket.role) {
    case Role::Server:
    case Role::Listener: return true;
    case Role::Client: return false;
    case Role::Unknown: break;
  }
  if (flag.cause == Cause::NotAccepted) return true;
  if (as_server != as_client) return as_server > as_client;
  return flag.socket.flow.local.port <= flag.socket.flow.remote.port;
}

std::vector<Keyed> keyed(std::span<const FlagRecord> flags) {
  std::vector<Keyed> all;
  Counts counts;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (!flags[i].raised) continue;
    const Flow& flow = flags[i].socket.flow;
    std::string base = base_key(flags[i]);
    Keyed entry{
        .index = i, .server = server_key(base, flow), .client = {}, .key = {}, .wider_key = {}};
    entry.client = client_key(std::move(base), flow);
    // A client's destination is one address; a server's peers may be many.
    std::string destination = entry.client;
    add_address(destination, flow.remote);
    ++counts[entry.server];
    ++counts[destination];
    entry.key = std::move(destination);
    all.push_back(std::move(entry));
  }
  for (Keyed& entry : all) {
    const FlagRecord& flag = flags[entry.index];
    entry.is_server = looks_like_server(flag, counts[entry.server], counts[entry.key]);
    entry.wider_key = std::move(entry.is_server ? entry.server : entry.client);
    entry.key = entry.wider_key;
    add_address(entry.key, flag.socket.flow.remote);
  }
  return all;
}

void add_holders(std::vector<LeakHolder>& holders, const FlagRecord& flag) {
  std::size_t at = 0;
  for (const Holder& holder : flag.holders) {
    // The same processes in the same order in each socket of the group.
    if (at < holders.size() && !same_process(holders[at].process, holder.process)) ++at;
    if (at == holders.size()) holders.push_back({.process = holder.process, .fds = {}});
    LeakHolder& process = holders[at];
    ++process.descriptors;
    if (holder.fd >= 0 && process.fds.size() < kExampleFds) process.fds.push_back(holder.fd);
  }
}

bool same_owner(const std::optional<Owner>& a, const std::optional<Owner>& b) {
  if (!a || !b) return !a && !b;
  return same_process(a->process, b->process);
}

void add_bytes(std::optional<std::uint64_t>& sum, const std::optional<std::uint64_t>& more) {
  if (more) sum = sum.value_or(0) + *more;
}

void add_member(LeakGroup& group, const FlagRecord& flag, const Keyed& entry) {
  const SocketInfo& socket = flag.socket;
  if (group.count == 0) {
    group.state = flag.state;
    group.cause = flag.cause;
    group.by_exit = flag.by_exit;
    group.family = socket.flow.family;
    group.local_port = entry.is_server ? socket.flow.local.port : std::uint16_t{0};
    group.peer = socket.flow.remote;
    if (entry.is_server) group.peer.port = 0;
    group.owner = socket.owner;
    group.cgroup = socket.cgroup;
    group.wider_key = entry.wider_key;
  }
  if (!same_owner(group.owner, socket.owner)) group.owner.reset();
  if (group.cgroup != socket.cgroup) group.cgroup.clear();
  ++group.count;
  add_holders(group.holders, flag);
  add_bytes(group.unread_bytes, flag.unread_bytes);
  add_bytes(group.unsent_bytes, flag.unsent_bytes);
  group.members.push_back(entry.index);
}

// The true ages are all at least what is shown, so the oldest and the median are, too.
void measure(LeakGroup& group, std::span<const FlagRecord> flags) {
  std::optional<Nanos> error = Nanos{0};
  for (const std::size_t member : group.members) {
    const std::optional<Nanos>& one = flags[member].dwell.error;
    error = error && one ? std::optional(std::max(*error, *one)) : std::nullopt;
  }
  std::stable_sort(group.members.begin(), group.members.end(), [&](std::size_t a, std::size_t b) {
    return flags[a].dwell.value > flags[b].dwell.value;
  });
  const auto age = [&](std::size_t rank) { return flags[group.members[rank]].dwell.value; };
  const std::size_t middle = group.members.size() / 2;
  const Nanos upper = age(group.members.size() % 2 != 0 ? middle : middle - 1);
  group.oldest = {age(0), error};
  group.median = {age(middle) + (upper - age(middle)) / 2, error};
  group.cookie = flags[group.members.front()].socket.cookie;
}

bool worse(const LeakGroup& a, const LeakGroup& b) {
  const auto rank = [](const LeakGroup& group) {
    return std::tuple(group.cause == Cause::Orphaned ? 0 : 1, group.count, group.oldest.value);
  };
  return rank(a) != rank(b) ? rank(a) > rank(b) : a.key < b.key;
}

}  // namespace

std::vector<LeakGroup> group_leaks(std::span<const FlagRecord> flags) {
  const std::vector<Keyed> entries = keyed(flags);
  Counts fine, peers;
  for (const Keyed& entry : entries)
    if (fine[entry.key]++ == 0) ++peers[entry.wider_key];
  std::vector<LeakGroup> groups;
  Counts place;
  for (const Keyed& entry : entries) {
    const std::size_t apart = peers[entry.wider_key];
    const std::string& key = apart > kPeersApart ? entry.wider_key : entry.key;
    const auto [it, is_new] = place.try_emplace(key, groups.size());
    if (is_new) {
      groups.emplace_back().key = key;
      groups.back().peers = apart > kPeersApart ? apart : 1;
    }
    add_member(groups[it->second], flags[entry.index], entry);
  }
  for (LeakGroup& group : groups) measure(group, flags);
  std::sort(groups.begin(), groups.end(), worse);
  return groups;
}

LeakGroup group_of(const FlagRecord& flag) {
  std::vector<LeakGroup> groups = group_leaks({&flag, 1});
  return groups.empty() ? LeakGroup{} : std::move(groups.front());
}

}  // namespace tcpdwell
