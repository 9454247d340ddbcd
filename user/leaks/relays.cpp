// SPDX-License-Identifier: Apache-2.0
#include "leaks/relays.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <map>
#include <utility>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// At most, from the FIN received on one side to the acknowledged FIN on the other side.
constexpr Nanos kHandover = 1s;

constexpr std::size_t kMostTried = 16;  // candidates for one socket

// The state began between `first` and `last`.
struct Begin {
  Nanos first, last;
  std::size_t flag;
};

Begin begin_of(const FlagRecord& flag, std::size_t index) {
  const Nanos latest = flag.when.mono - flag.dwell.value;
  if (flag.dwell.error) return {latest - *flag.dwell.error, latest + *flag.dwell.error, index};
  // The dwell is a lower bound. Without an upper bound, take it as exact.
  return {flag.at_most ? flag.when.mono - *flag.at_most : latest, latest, index};
}

struct Sides {
  std::vector<Begin> ended;  // the peer has closed, and all data is read
  std::vector<Begin> shut;   // this side was shut down
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

using Partners = std::vector<std::optional<std::size_t>>;

void pair_up(Sides sides, std::span<const FlagRecord> flags, Partners& partners) {
  const auto earlier = [](const Begin& a, const Begin& b) { return a.last < b.last; };
  std::sort(sides.ended.begin(), sides.ended.end(), earlier);
  std::sort(sides.shut.begin(), sides.shut.end(), earlier);
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  auto next = sides.ended.begin();
  for (const Begin& shut : sides.shut) {
    while (next != sides.ended.end() && next->last + kHandover < shut.first) ++next;
    std::size_t tried = 0;
    for (auto it = next; it != sides.ended.end() && it->first <= shut.last && tried < kMostTried;
         ++it, ++tried) {
      if (same_peer(flags[it->flag].socket.flow, flags[shut.flag].socket.flow)) continue;
      pairs.emplace_back(it->flag, shut.flag);
      std::iter_swap(it, next);  // removes the used one, keeps those that were skipped
      ++next;
      break;
    }
  }
  if (pairs.size() * 4 < std::max(sides.shut.size(), sides.ended.size()) * 3) return;
  for (const auto& [ended, shut] : pairs) {
    partners[ended] = shut;
    partners[shut] = ended;
  }
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
  return partners;
}

std::vector<std::optional<std::size_t>> find_behind_relays(
    std::span<const FlagRecord> flags, std::span<const std::optional<std::size_t>> partners) {
  absl::flat_hash_map<Flow, std::size_t> relayed;  // key: the flow as the other end sees it
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (!partners[i] || flags[i].state != State::CloseWait) continue;
    Flow seen = flags[i].socket.flow;
    std::swap(seen.local, seen.remote);
    relayed.emplace(seen, *partners[i]);
  }
  Partners behind(flags.size());
  for (std::size_t i = 0; i < flags.size() && !relayed.empty(); ++i) {
    if (!flags[i].raised || flags[i].state != State::FinWait2) continue;
    const auto it = relayed.find(flags[i].socket.flow);
    if (it != relayed.end()) behind[i] = it->second;
  }
  return behind;
}

}  // namespace tcpdwell
