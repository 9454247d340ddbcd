// SPDX-License-Identifier: Apache-2.0
#include "leaks/relays.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "model/loopback.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// At most, from the FIN received on one side to the acknowledged FIN on the other side, if nothing
// but the times tells that this is a pair.
constexpr Nanos kHandover = 1s;

constexpr std::size_t kMostTried = 16;  // candidates for one socket

// Fewer bytes, in both directions together, can be equal by chance: requests of a fixed size.
constexpr std::uint64_t kTellingBytes = 1024;

// By how much the bytes of the two sides of a relay differ at most if it ends TLS or adds a header:
// so many, and a part of them.
constexpr std::uint64_t kAddedBytes = 16384, kAddedPart = 8;

// The state began between `first` and `last`.
struct Begin {
  Nanos first, last;
  std::size_t flag;
};
using Begins = std::deque<Begin>;

Begin begin_of(const FlagRecord& flag, std::size_t index) {
  const Nanos latest = flag.when.mono - flag.dwell.value;
  if (flag.dwell.error) return {latest - *flag.dwell.error, latest + *flag.dwell.error, index};
  // The dwell is a lower bound. Without an upper bound, take it as exact.
  return {flag.at_most ? flag.when.mono - *flag.at_most : latest, latest, index};
}

struct Sides {
  Begins ended;  // the peer has closed, and all data is read
  Begins shut;   // this side was shut down
};

// The pid of the only holder; 0: none, or several.
std::uint32_t process_of(const FlagRecord& flag) {
  if (flag.holders.empty()) return 0;
  const std::uint32_t pid = flag.holders.front().process.pid;
  const bool one = std::all_of(flag.holders.begin(), flag.holders.end(),
                               [&](const Holder& holder) { return holder.process.pid == pid; });
  return one ? pid : 0;
}

// True for two connections to one peer, or for the two ends of one connection.
bool same_peer(const Flow& a, const Flow& b) {
  return a.remote == b.remote || (a.local == b.remote && a.remote == b.local);
}

// A relay accepts one side and connects the other one.
bool same_role(const FlagRecord& a, const FlagRecord& b) {
  return a.socket.role == b.socket.role && a.socket.role != Role::Unknown;
}

bool is_near(std::uint64_t a, std::uint64_t b) {
  const auto [less, more] = std::minmax(a, b);
  return more - less <= kAddedBytes + more / kAddedPart;
}

// False if one side received what the other side cannot have sent.
bool may_be_forwarded(const FlagRecord& ended, const FlagRecord& shut) {
  if (!ended.bytes || !shut.bytes) return true;
  return is_near(ended.bytes->received, shut.bytes->sent) &&
         is_near(shut.bytes->received, ended.bytes->sent);
}

using Partners = std::vector<std::optional<std::size_t>>;
using Flags = std::span<const FlagRecord>;

void join(Partners& partners, std::size_t a, std::size_t b) {
  partners[a] = b;
  partners[b] = a;
}

// Takes the sockets out of `sides` that have a partner by their bytes.
void pair_by_bytes(Sides& sides, Flags flags, Partners& partners) {
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // received, sent
  absl::flat_hash_map<Key, Begins> by_bytes;
  for (const Begin& ended : sides.ended)
    if (const auto& bytes = flags[ended.flag].bytes)
      by_bytes[{bytes->received, bytes->sent}].push_back(ended);
  // The first of these began first: relays of equal sizes end in the order in which they began.
  const auto take = [&](Begins& candidates, const Begin& shut) {
    std::size_t tried = 0;
    for (auto it = candidates.begin();
         it != candidates.end() && it->first <= shut.last && tried < kMostTried; ++it, ++tried) {
      if (same_peer(flags[it->flag].socket.flow, flags[shut.flag].socket.flow)) continue;
      join(partners, it->flag, shut.flag);
      candidates.erase(it);
      return true;
    }
    return false;
  };
  for (const Begin& shut : sides.shut) {
    const auto& bytes = flags[shut.flag].bytes;
    if (!bytes || bytes->sent + bytes->received < kTellingBytes) continue;
    // Each side may have sent a SYN, which counts as a byte.
    for (const std::uint64_t syns : {0, 1, 2, 3}) {
      if (bytes->sent < (syns & 1U)) continue;
      const auto it = by_bytes.find({bytes->sent - (syns & 1U), bytes->received + (syns >> 1U)});
      if (it != by_bytes.end() && take(it->second, shut)) break;
    }
  }
  const auto is_paired = [&](const Begin& begin) { return partners[begin.flag].has_value(); };
  std::erase_if(sides.ended, is_paired);
  std::erase_if(sides.shut, is_paired);
}

void pair_by_time(Sides& sides, Flags flags, Partners& partners) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  auto next = sides.ended.begin();
  for (const Begin& shut : sides.shut) {
    while (next != sides.ended.end() && next->last + kHandover < shut.first) ++next;
    std::size_t tried = 0;
    for (auto it = next; it != sides.ended.end() && it->first <= shut.last && tried < kMostTried;
         ++it, ++tried) {
      const FlagRecord &one = flags[it->flag], &other = flags[shut.flag];
      if (same_peer(one.socket.flow, other.socket.flow) || same_role(one, other) ||
          !may_be_forwarded(one, other))
        continue;
      pairs.emplace_back(it->flag, shut.flag);
      std::iter_swap(it, next);  // removes the used one, keeps those that were skipped
      ++next;
      break;
    }
  }
  if (pairs.size() * 4 < std::max(sides.shut.size(), sides.ended.size()) * 3) return;
  for (const auto& [ended, shut] : pairs) join(partners, ended, shut);
}

void pair_up(Sides sides, Flags flags, Partners& partners) {
  const auto earlier = [](const Begin& a, const Begin& b) { return a.last < b.last; };
  std::sort(sides.ended.begin(), sides.ended.end(), earlier);
  std::sort(sides.shut.begin(), sides.shut.end(), earlier);
  pair_by_bytes(sides, flags, partners);
  pair_by_time(sides, flags, partners);
}

Flow mirrored(Flow flow) {
  std::swap(flow.local, flow.remote);
  return flow;
}

Flow without_netns(Flow flow) {
  flow.netns_cookie = flow.netns = 0;
  flow.device = Flow::kUnknownDevice;
  return flow;
}

// False if the other end is known, and another process than the relay holds it.
bool may_be_ends(const FlagRecord& client, const FlagRecord& relay) {
  const std::uint32_t other = client.other_end ? client.other_end->process.pid : 0;
  return other == 0 || other == process_of(relay);
}

// True if forwarding the end of stream certainly took less time in `a` than in `b`.
bool was_faster(Flags flags, std::size_t a, std::size_t b, const Partners& partners) {
  const auto begin = [&](std::size_t flag) { return begin_of(flags[flag], flag); };
  for (const std::size_t flag : {a, b, *partners[a], *partners[b]})
    if (!flags[flag].dwell.error && !flags[flag].at_most) return false;  // only a lower bound
  return begin(*partners[a]).last - begin(a).first < begin(*partners[b]).first - begin(b).last;
}

void part(Partners& partners, std::size_t one) {
  partners[*partners[one]].reset();
  partners[one].reset();
}

// A process that talks to itself through a relay has the other ends of both sides, which look like
// a relay, too: the end of stream came back to it, so it seems to have forwarded it faster. If the
// times do not tell, neither is a relay.
void break_circles(Flags flags, Partners& partners) {
  absl::flat_hash_map<Flow, std::size_t> ended;
  for (std::size_t i = 0; i < flags.size(); ++i)
    if (partners[i] && flags[i].state == State::CloseWait) ended.emplace(flags[i].socket.flow, i);
  for (const auto& [flow, one] : ended) {
    if (!partners[one]) continue;
    const std::size_t shut = *partners[one];
    const auto there = ended.find(mirrored(flags[shut].socket.flow));
    if (there == ended.end() || !partners[there->second]) continue;
    const std::size_t other = there->second, others_shut = *partners[other];
    if (mirrored(flags[others_shut].socket.flow) != flow) continue;
    const bool is_this = was_faster(flags, other, one, partners);
    const bool is_other = was_faster(flags, one, other, partners);
    if (!is_this) part(partners, one);
    if (!is_other) part(partners, other);
  }
}

// The only socket with these addresses and ports; nullopt: there are several.
using Unique = absl::flat_hash_map<Flow, std::optional<std::size_t>>;

void add(Unique& sockets, const Flow& flow, std::size_t index) {
  const auto [it, is_new] = sockets.try_emplace(without_netns(flow), index);
  if (!is_new) it->second.reset();
}

}  // namespace

std::vector<std::optional<std::size_t>> find_relays(std::span<const FlagRecord> flags) {
  std::map<std::uint32_t, Sides> by_process;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    const FlagRecord& flag = flags[i];
    if (!flag.raised || flag.by_exit) continue;
    const bool ended = flag.state == State::CloseWait && flag.cause == Cause::EofRead;
    const bool shut = flag.state == State::FinWait2 && flag.cause == Cause::HalfClosed;
    const std::uint32_t pid = ended || shut ? process_of(flag) : 0;
    if (pid == 0) continue;
    Sides& sides = by_process[pid];
    (ended ? sides.ended : sides.shut).push_back(begin_of(flag, i));
  }
  Partners partners(flags.size());
  for (auto& [pid, sides] : by_process)
    if (!sides.ended.empty() && !sides.shut.empty()) pair_up(std::move(sides), flags, partners);
  break_circles(flags, partners);
  return partners;
}

std::vector<std::optional<std::size_t>> find_behind_relays(
    std::span<const FlagRecord> flags, std::span<const std::optional<std::size_t>> partners) {
  absl::flat_hash_map<Flow, std::size_t> relayed;  // key: the flow as the other end sees it
  for (std::size_t i = 0; i < flags.size(); ++i)
    if (partners[i] && flags[i].state == State::CloseWait)
      relayed.emplace(mirrored(flags[i].socket.flow), i);
  Partners behind(flags.size());
  if (relayed.empty()) return behind;
  Unique clients, relays;  // those without the other end in their own namespace
  for (std::size_t i = 0; i < flags.size(); ++i) {
    const FlagRecord& flag = flags[i];
    if (!flag.raised || flag.state != State::FinWait2) continue;
    if (const auto it = relayed.find(flag.socket.flow); it != relayed.end()) {
      behind[i] = partners[it->second];
      relayed.erase(it);
    } else if (!is_loopback(flag.socket.flow.remote.addr, flag.socket.flow.family)) {
      add(clients, flag.socket.flow, i);
    }
  }
  for (const auto& [flow, relay] : relayed) add(relays, flow, relay);
  for (const auto& [flow, client] : clients) {
    const auto it = relays.find(flow);
    if (!client || it == relays.end() || !it->second) continue;
    if (may_be_ends(flags[*client], flags[*it->second])) behind[*client] = partners[*it->second];
  }
  return behind;
}

}  // namespace tcpdwell
