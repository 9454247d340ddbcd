// SPDX-License-Identifier: Apache-2.0
#include "export/stuck.h"

#include <algorithm>

namespace tcpdwell::exporter {
namespace {

// Of an un-accepted connection nobody is the owner yet: the holders are those of its listener.
std::string_view comm_of(const FlagRecord& flag) {
  if (flag.socket.owner) return flag.socket.owner->process.comm_view();
  return flag.holders.empty() ? std::string_view{} : flag.holders.front().process.comm_view();
}

}  // namespace

void StuckSockets::add(const FlagRecord& flag, Services& services) {
  const SocketInfo& socket = flag.socket;
  // A queued connection can leave another state than the one in which it was flagged. A socket
  // without a cookie is known by its flow.
  const Key key{socket.cookie, socket.life, flag.kind,
                flag.kind == FlagKind::Accept ? State::Established : flag.state,
                socket.cookie == 0 ? socket.flow : Flow{}};
  if (!flag.raised) {
    all_.erase(key);
    return;
  }
  all_.insert_or_assign(key, Stuck{.flag = flag_name(flag.kind, flag.state),
                                   .cause = flag.cause,
                                   .since = flag.when.mono - flag.dwell.value,
                                   .service = services.name_of(socket.cgroup, comm_of(flag))});
}

void StuckSockets::count_into(Services& services) const {
  for (const auto& [key, stuck] : all_) ++services.at(stuck.service).stuck;
}

std::map<StuckSockets::Group, std::uint64_t> StuckSockets::groups(const Services& services) const {
  std::map<Group, std::uint64_t> groups;
  for (const auto& [key, stuck] : all_)
    ++groups[{stuck.flag, stuck.cause, services.label_of(stuck.service)}];
  return groups;
}

std::map<StuckSockets::Group, Nanos> StuckSockets::oldest(Nanos now,
                                                          const Services& services) const {
  std::map<Group, Nanos> ages;
  for (const auto& [key, stuck] : all_) {
    Nanos& age = ages[{stuck.flag, Cause::None, services.label_of(stuck.service)}];
    age = std::max(age, now - stuck.since);
  }
  return ages;
}

}  // namespace tcpdwell::exporter
