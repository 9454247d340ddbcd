// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/open_flags.h"

namespace tcpdwell {
namespace {

template <typename T>
void append(std::string& key, const T& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

// A connection in an accept queue can change its state while it is flagged. One without a cookie is
// known by its addresses.
std::string flag_key(const FlagRecord& flag) {
  std::string key;
  const SocketInfo& socket = flag.socket;
  append(key, flag.kind);
  if (flag.kind == FlagKind::State) append(key, flag.state);
  append(key, socket.cookie);
  append(key, socket.life);
  if (socket.cookie != 0) return key;
  append(key, socket.flow.netns);
  append(key, socket.flow.device);
  for (const Endpoint* end : {&socket.flow.local, &socket.flow.remote}) {
    append(key, end->addr);
    append(key, end->port);
  }
  return key;
}

void OpenFlags::write(const Record& record) noexcept {
  const auto pass_on = [&] { next_.write(record); };
  std::visit(
      Overloaded{[this](const FlagRecord& flag) { add(flag); },
                 [&](const EndRecord& end) {
                   pass(end.when);
                   pass_on();
                 },
                 [](const TransitionRecord&) {}, [](const ConnectionRecord&) {},
                 [](const FailedConnectsRecord&) {}, [&](const StartRecord&) { pass_on(); },
                 [&](const LostRecord&) { pass_on(); }, [&](const ClockRecord&) { pass_on(); }},
      record);
}

void OpenFlags::add(const FlagRecord& flag) {
  const std::string key = flag_key(flag);
  if (!flag.raised) {
    raised_.erase(key);
    cgroups_.erase(key);
    return;
  }
  cgroups_[key] = flag.socket.cgroup;
  FlagRecord& kept = raised_.insert_or_assign(key, flag).first->second;
  kept.socket.cgroup = {};  // its text is of this call only
}

void OpenFlags::pass(const When& now) {
  for (auto& [key, flag] : raised_) {
    const Nanos since = now.mono - flag.when.mono;
    flag.dwell.value += since;
    if (flag.at_most) *flag.at_most += since;
    flag.when = now;
    flag.socket.cgroup = cgroups_[key];
    at_end_.add(flag);
  }
  for (const FlagRecord& flag : at_end_.all()) next_.write(flag);
}

}  // namespace tcpdwell
