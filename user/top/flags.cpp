// SPDX-License-Identifier: Apache-2.0
#include "top/flags.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "lifecycle/open_flags.h"
#include "sinks/where_text.h"

namespace tcpdwell::top {
namespace {

void grow_older(FlagRecord& flag, Nanos now) {
  const Nanos more = std::max(now - flag.when.mono, Nanos{0});
  flag.dwell.value += more;
  if (flag.at_most) *flag.at_most += more;
}

}  // namespace

std::string key_of(const FlagRecord& flag) { return flag_key(flag); }

void StuckSockets::add(const FlagRecord& flag) {
  const std::string key = flag_key(flag);
  if (!flag.raised) {
    flags_.erase(key);
    return;
  }
  Kept& kept = flags_[key];
  kept.flag = flag;
  kept.cgroup = flag.socket.cgroup;
  kept.flag.socket.cgroup = kept.cgroup;
}

Stuck StuckSockets::stuck(LeakGroup group) const {
  Stuck one{.group = std::move(group), .text = {}, .where = {}};
  one.where = where_lines(one.group);
  one.text = explain(one.group, true, here_);
  return one;
}

void StuckSockets::show(Nanos now, const Match& match, Look& look) {
  look.flags.clear();
  look.stuck.clear();
  std::vector<FlagRecord> hidden;
  for (const auto& [key, kept] : flags_) {
    FlagRecord flag = kept.flag;
    grow_older(flag, now);
    const bool shown = match.passes(flag.socket, flag.state, flag.dwell.value);
    (shown ? look.flags : hidden).push_back(std::move(flag));
  }
  // The map has no order; groups of equal size and age should not change places.
  std::sort(look.flags.begin(), look.flags.end(), [](const FlagRecord& a, const FlagRecord& b) {
    return std::pair(a.when.mono, a.socket.cookie) < std::pair(b.when.mono, b.socket.cookie);
  });
  look.flagged = flags_.size();
  const std::size_t shown = look.flags.size();
  std::move(hidden.begin(), hidden.end(), std::back_inserter(look.flags));
  for (LeakGroup& group : group_leaks(look.flags, hidden.size()))
    look.stuck.push_back(stuck(std::move(group)));
  look.flags.resize(shown);
  for (FlagRecord& flag : look.flags) flag.socket.cgroup = {};  // the look may outlive them
}

const StuckSockets::Kept* StuckSockets::find(const std::string& key, const Detail& detail) const {
  if (!key.empty()) {
    const auto it = flags_.find(key);
    return it == flags_.end() ? nullptr : &it->second;
  }
  if (detail.socket.cookie == 0) return nullptr;
  for (const auto& [each, kept] : flags_)
    if (kept.flag.socket.cookie == detail.socket.cookie &&
        kept.flag.socket.life == detail.socket.life)
      return &kept;
  return nullptr;
}

void StuckSockets::describe(Nanos now, const std::string& key, Detail& detail) const {
  const Kept* kept = find(key, detail);
  if (kept == nullptr) {
    detail.flag.reset();
    detail.stuck.reset();
    return;
  }
  detail.flag = kept->flag;
  detail.asked = kept->flag.when.mono;
  detail.flag_cgroup = kept->cgroup;
  detail.flag->socket.cgroup = {};
  FlagRecord aged = kept->flag;
  grow_older(aged, now);
  detail.flag->dwell = aged.dwell;
  detail.flag->at_most = aged.at_most;
  detail.stuck = stuck(group_of(aged));
}

}  // namespace tcpdwell::top
