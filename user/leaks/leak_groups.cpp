// SPDX-License-Identifier: Apache-2.0
#include "leaks/leak_groups.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "leaks/relays.h"

namespace tcpdwell {
namespace {

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

bool is_by_runtime(const FlagRecord& flag) { return flag.before_exit.value_or(Nanos{}) > Nanos{}; }
void add_word(std::string& key, std::string_view word) {
  add(key, static_cast<std::uint32_t>(word.size()));
  key += word;
}

// Sockets of one place in the program: the frames that text shows are equal.
void add_place(std::string& key, const CodePlace& place) {
  add(key, static_cast<std::uint8_t>(place.stack != nullptr));
  if (place.stack == nullptr) return;
  const auto frames = shown_frames(*place.stack);
  add(key, static_cast<std::uint8_t>(frames.size()));
  for (const Frame* frame : frames) {
    add_word(key, frame->function);
    add_word(key, frame->file);
    add(key, frame->line);
    add_word(key, frame->module);
    if (frame->line == 0) add(key, frame->offset);
  }
}

bool is_stopped(char state) { return state == 'T' || state == 't' || state == kFrozen; }

// Appends the same bytes for equal processes (see leak_groups.h).
void add_equal(std::string& key, const FlagRecord& flag, const Process& process) {
  const ProcessFacts* facts = facts_of(flag, process.pid);
  if (facts == nullptr) return add_process(key, process);
  add_word(key, process.comm_view());
  add_word(key, facts->program);
  add(key, static_cast<std::uint8_t>(is_stopped(facts->state)));
  const bool siblings = facts->parent > 1;
  add(key, static_cast<std::uint8_t>(siblings));
  if (siblings)
    add(key, facts->parent);
  else
    add(key, process.cgroup_id);
}

// The part of a group's key that is independent of the addresses: holders, state and cause.
std::string base_key(const FlagRecord& flag, bool relayed) {
  std::string key;
  add(key, static_cast<std::uint8_t>(is_of_unknown_age(flag)));  // first: see without_age()
  add(key, static_cast<std::uint8_t>(flag.kind));
  if (flag.kind == FlagKind::Accept) {
    add(key, flag.queue ? flag.queue->listener : 0);
    return key;
  }
  add(key, index(flag.state));
  add(key, static_cast<std::uint8_t>(flag.cause));
  add(key, static_cast<std::uint8_t>(flag.kind));
  add(key, static_cast<std::uint8_t>(flag.by_exit));
  add(key, static_cast<std::uint8_t>(is_by_runtime(flag)));
  add(key, static_cast<std::uint8_t>(relayed));
  add(key, static_cast<std::uint8_t>(flag.attached));
  add(key, static_cast<std::uint8_t>(flag.mptcp));
  add(key, flag.socket.flow.netns);
  add(key, static_cast<std::uint8_t>(flag.socket.flow.family));
  add_place(key, flag.opened);
  add_place(key, flag.eof_read);
  const Process* last = nullptr;
  for (const Holder& holder : flag.holders) {  // by pid
    if (!last || !same_process(*last, holder.process)) add_equal(key, flag, holder.process);
    last = &holder.process;
  }
  if (const Process* maker = maker_of(flag)) {
    key += 'm';
    add(key, static_cast<std::uint8_t>(descent_from(flag, *maker)));
    add_word(key, maker->comm_view());
  }
  if (flag.holders.empty() && flag.socket.owner) {
    key += 'o';
    add_process(key, flag.socket.owner->process);
  }
  return key;
}

// A group's key with a number in place of the base key, as it is hashed for every socket.
struct EndKey {
  std::size_t base = 0;  // index into Entries::bases
  bool is_server = false;
  std::uint16_t port = 0;               // of the server
  std::array<std::uint8_t, 16> peer{};  // zeros: any peer
  bool operator==(const EndKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const EndKey& end) {
    return H::combine(std::move(hash), end.base, end.is_server, end.port, end.peer);
  }
  EndKey wider() const { return {base, is_server, port, {}}; }
};

using Counts = absl::flat_hash_map<EndKey, std::size_t>;

struct Entry {
  std::size_t index = 0;  // of the FlagRecord
  EndKey end;
};

struct Entries {
  std::vector<std::string> bases;  // base keys
  std::vector<Entry> all;
  std::vector<std::optional<std::size_t>> relays;  // find_relays()
  std::vector<std::optional<std::size_t>> behind;  // find_behind_relays()

  std::string key_of(const EndKey& end) const {
    std::string key = bases[end.base] + (end.is_server ? 's' : 'c');
    add(key, end.port);
    key.append(reinterpret_cast<const char*>(end.peer.data()), end.peer.size());
    return key;
  }
};

EndKey as_server(std::size_t base, const Flow& flow) {
  return {base, true, flow.local.port, flow.remote.addr};
}

EndKey as_client(std::size_t base, const Flow& flow) {
  return {base, false, flow.remote.port, flow.remote.addr};
}

// If nothing else tells, the lower port is taken for the one that a service listens on.
bool looks_like_server(const FlagRecord& flag, std::size_t same_port,
                       std::size_t same_destination) {
  switch (flag.socket.role) {
    case Role::Server:
    case Role::Listener: return true;
    case Role::Client: return false;
    case Role::Unknown: break;
  }
  if (flag.cause == Cause::NotAccepted) return true;
  if (same_port != same_destination) return same_port > same_destination;
  return flag.socket.flow.local.port <= flag.socket.flow.remote.port;
}

Entries entries_of(std::span<const FlagRecord> flags, std::size_t hidden) {
  Entries entries;
  entries.relays = find_relays(flags);
  entries.behind = find_behind_relays(flags, entries.relays);
  absl::flat_hash_map<std::string, std::size_t> bases;
  Counts counts;
  for (std::size_t i = 0; i + hidden < flags.size(); ++i) {
    if (!flags[i].raised) continue;
    const auto [it, is_new] =
        bases.try_emplace(base_key(flags[i], entries.relays[i].has_value()), entries.bases.size());
    if (is_new) entries.bases.push_back(it->first);
    entries.all.push_back({.index = i, .end = as_client(it->second, flags[i].socket.flow)});
    ++counts[entries.all.back().end];
    ++counts[as_server(it->second, flags[i].socket.flow).wider()];
  }
  // Count a client's sockets by destination, and a server's sockets over all peers.
  for (auto& [index, end] : entries.all) {
    const EndKey server = as_server(end.base, flags[index].socket.flow);
    if (looks_like_server(flags[index], counts[server.wider()], counts[end])) end = server;
  }
  return entries;
}

bool should_accept(const FlagRecord& flag, const Holder& holder) {
  if (flag.kind != FlagKind::Accept || !flag.queue) return true;
  const auto& those = flag.queue->should_accept;
  return std::binary_search(those.begin(), those.end(), holder.process.pid);
}

// The index of each process in LeakGroup::holders while the group is built. A process without a
// visible pid is identified by its comm.
using HolderIndex = absl::flat_hash_map<std::pair<std::uint32_t, std::string_view>, std::size_t>;

void add_holders(LeakGroup& group, HolderIndex& index, const FlagRecord& flag) {
  std::size_t processes = 0;
  const Process* last = nullptr;
  for (const Holder& holder : flag.holders) {  // by pid
    if (!should_accept(flag, holder)) continue;
    if (!last || !same_process(*last, holder.process)) ++processes;
    last = &holder.process;
    const std::uint32_t pid = holder.process.pid;
    const auto [it, is_new] = index.try_emplace(
        {pid, pid != 0 ? std::string_view{} : holder.process.comm_view()}, group.holders.size());
    if (is_new) {
      const ProcessFacts* facts = facts_of(flag, holder.process.pid);
      group.holders.push_back({.process = holder.process,
                               .facts = facts ? std::optional(*facts) : std::nullopt,
                               .fds = {}});
    }
    LeakHolder& process = group.holders[it->second];
    ++process.descriptors;
    if (holder.fd >= 0 && process.fds.size() < kExampleFds) process.fds.push_back(holder.fd);
  }
  group.held_by = processes;
}

bool same_owner(const std::optional<Owner>& a, const std::optional<Owner>& b) {
  if (!a || !b) return !a && !b;
  return same_process(a->process, b->process);
}

void add_bytes(std::optional<std::uint64_t>& sum, const std::optional<std::uint64_t>& more) {
  if (more) sum = sum.value_or(0) + *more;
}

void add_maker(LeakGroup& group, const FlagRecord& flag) {
  const Process* maker = maker_of(flag);
  if (maker == nullptr) return;
  if (!group.maker) group.maker = *maker;
  if (group.maker->pid != maker->pid) group.maker->pid = 0;
  group.maker_is_likely = flag.inherited_from && maker == &*flag.inherited_from;
  group.descent = descent_from(flag, *maker);
}

void add_member(LeakGroup& group, HolderIndex& index, const FlagRecord& flag, const Entry& entry) {
  const SocketInfo& socket = flag.socket;
  if (group.count == 0) {
    group.kind = flag.kind;
    group.state = flag.state;
    group.cause = flag.cause;
    group.by_exit = flag.by_exit;
    group.by_runtime = is_by_runtime(flag);
    group.ended = flag.ended;
    group.pending_error = flag.pending_error;
    group.certain = !is_of_unknown_age(flag);
    group.mptcp = flag.mptcp;
    group.opened = flag.opened.stack;
    group.eof_read = flag.eof_read.stack;
    group.family = socket.flow.family;
    group.local_port = entry.end.is_server ? socket.flow.local.port : std::uint16_t{0};
    group.peer = socket.flow.remote;
    if (entry.end.is_server) group.peer.port = 0;
    group.owner = socket.owner;
    group.cgroup = socket.cgroup;
    group.role = entry.end.is_server ? Role::Server : Role::Client;
    group.netns = socket.flow.netns;
    group.attached = flag.attached;
  }
  if (!same_owner(group.owner, socket.owner)) group.owner.reset();
  if (group.cgroup != socket.cgroup) group.cgroup.clear();
  if (group.ended != flag.ended) group.ended = Ended::Unknown;
  if (group.pending_error != flag.pending_error) group.pending_error = 0;
  ++group.count;
  if (flag.kind == FlagKind::Accept) {  // all are of one listener: use the latest flag's data
    group.queue = flag.queue;
    group.holders.clear();
    index.clear();
    group.peer_closed += flag.state == State::CloseWait ? 1U : 0U;
    group.reset += flag.state == State::Closed ? 1U : 0U;
  }
  add_holders(group, index, flag);
  add_maker(group, flag);
  if (flag.other_end) ++group.other_ends;
  if (flag.send_wait == SendWait::WindowProbe) ++group.closed_windows;
  if (flag.send_wait == SendWait::Retransmit) ++group.retransmitting;
  add_bytes(group.unread_bytes, flag.unread_bytes);
  add_bytes(group.unsent_bytes, flag.unsent_bytes);
  group.members.push_back(entry.index);
}

// If ages are lower bounds, the oldest and the median are lower bounds, too.
void measure(LeakGroup& group, std::span<const FlagRecord> flags, const Entries& entries) {
  std::optional<Nanos> error = Nanos{0}, at_most = Nanos{0};
  for (const std::size_t member : group.members) {
    const FlagRecord& flag = flags[member];
    error = error && flag.dwell.error ? std::optional(std::max(*error, *flag.dwell.error))
                                      : std::nullopt;
    const auto most = flag.dwell.error ? flag.dwell.value + *flag.dwell.error : flag.at_most;
    at_most = at_most && most ? std::optional(std::max(*at_most, *most)) : std::nullopt;
  }
  if (!error) group.at_most = at_most;
  std::stable_sort(group.members.begin(), group.members.end(), [&](std::size_t a, std::size_t b) {
    return flags[a].dwell.value > flags[b].dwell.value;
  });
  const auto age = [&](std::size_t rank) { return flags[group.members[rank]].dwell.value; };
  const std::size_t middle = group.members.size() / 2;
  const Nanos upper = age(group.members.size() % 2 != 0 ? middle : middle - 1);
  group.oldest = {age(0), error};
  group.median = {age(middle) + (upper - age(middle)) / 2, error};
  const FlagRecord& oldest = flags[group.members.front()];
  group.cookie = oldest.socket.cookie;
  group.other_end = oldest.other_end;
  if (oldest.other_end && oldest.other_end->process.pid != 0)
    if (const ProcessFacts* facts = facts_of(oldest, oldest.other_end->process.pid))
      group.other_end_facts = *facts;
  if (const auto partner = entries.relays[group.members.front()]) {
    group.relay_peer = flags[*partner].socket.flow.remote;
    group.relay_family = flags[*partner].socket.flow.family;
  }
  if (const auto behind = entries.behind[group.members.front()]) {
    group.behind_relay = flags[*behind].socket.flow.remote;
    group.behind_relay_family = flags[*behind].socket.flow.family;
  }
}

bool worse(const LeakGroup& a, const LeakGroup& b) {
  const auto rank = [](const LeakGroup& group) {
    const int kind = group.cause == Cause::Orphaned ? 0 : group.certain ? 2 : 1;
    return std::tuple(kind, group.count, group.oldest.value);
  };
  return rank(a) != rank(b) ? rank(a) > rank(b) : a.key < b.key;
}

}  // namespace

std::vector<LeakGroup> group_leaks(std::span<const FlagRecord> flags, std::size_t hidden) {
  const Entries entries = entries_of(flags, hidden);
  absl::flat_hash_set<EndKey> seen;
  Counts peers, groups_at;
  for (const auto& [index, end] : entries.all)
    if (seen.insert(end).second) ++peers[end.wider()];
  std::vector<LeakGroup> groups;
  std::vector<HolderIndex> indexes;
  for (const Entry& entry : entries.all) {
    const std::size_t apart = peers[entry.end.wider()];
    const bool together = apart > kPeersApart || flags[entry.index].kind == FlagKind::Accept;
    const EndKey end = together ? entry.end.wider() : entry.end;
    const auto [it, is_new] = groups_at.try_emplace(end, groups.size());
    if (is_new) {
      LeakGroup& group = groups.emplace_back();
      indexes.emplace_back();
      group.key = entries.key_of(end);
      group.wider_key = entries.key_of(end.wider());
      group.peers = together ? apart : 1;
    }
    add_member(groups[it->second], indexes[it->second], flags[entry.index], entry);
  }
  for (LeakGroup& group : groups) measure(group, flags, entries);
  std::sort(groups.begin(), groups.end(), worse);
  return groups;
}

LeakGroup group_of(const FlagRecord& flag) {
  std::vector<LeakGroup> groups = group_leaks({&flag, 1});
  return groups.empty() ? LeakGroup{} : std::move(groups.front());
}

}  // namespace tcpdwell
