// SPDX-License-Identifier: Apache-2.0
// The stuck sockets: each from the time that its flag is raised until it is cleared.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "export/services.h"
#include "model/record.h"

namespace tcpdwell::exporter {

class StuckSockets {
 public:
  void add(const FlagRecord& flag, Services& services);
  // Connections that --max-connections dropped from the table never clear their flags: forgets
  // those for which is_open(cookie) is false.
  template <typename IsOpen>
  void keep_open(IsOpen&& is_open) {
    absl::erase_if(all_, [&](const auto& entry) {
      const auto& [cookie, life, kind, state, flow] = entry.first;
      const bool in_table = kind == FlagKind::State && state != State::Closed && cookie != 0;
      return in_table && !is_open(cookie);
    });
  }
  // Adds each to its service.
  void count_into(Services& services) const;

  struct Group {
    std::string_view flag;  // the name of its threshold
    Cause cause = Cause::None;
    std::string_view service;  // a label
    auto operator<=>(const Group&) const = default;
  };
  std::map<Group, std::uint64_t> groups(const Services& services) const;
  // The age of the oldest for each flag and service. A lower bound where the kernel does not say
  // when the state began.
  std::map<Group, Nanos> oldest(Nanos now, const Services& services) const;

 private:
  using Key = std::tuple<std::uint64_t, std::uint32_t, FlagKind, State, Flow>;
  struct Stuck {
    std::string_view flag;
    Cause cause = Cause::None;
    Nanos since{};  // at the latest
    std::string service;
  };
  absl::flat_hash_map<Key, Stuck> all_;
};

}  // namespace tcpdwell::exporter
