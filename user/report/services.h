// SPDX-License-Identifier: Apache-2.0
// What connections of each service did: the unit or the container of its cgroup, else the name of
// its process. At most kMost services are kept apart; further ones are counted as "other".
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/record.h"
#include "stats/histogram.h"

namespace tcpdwell::reporting {

inline constexpr std::size_t kSides = 5;        // Side
inline constexpr std::size_t kSynsSent = 8;     // 1, 2, ... 7, or more
inline constexpr std::size_t kFewServices = 8;  // that pictures show

struct StateUse {
  std::uint64_t entered = 0, left = 0, inexact = 0;
  Histogram dwells;  // exact ones
};

struct Handshakes {
  std::uint64_t ended = 0;       // that became ESTABLISHED
  std::uint64_t sent_again = 0;  // of these: with a SYN or SYN-ACK that was sent again
  std::uint64_t slow = 0;        // of these: took kSlow or longer
  std::uint64_t slow_again = 0;  // slow, with a SYN or SYN-ACK that was sent again
  static constexpr Nanos kSlow = std::chrono::milliseconds{500};
};

struct Service {
  std::string name;  // printable
  std::array<StateUse, kStates> states;
  std::array<std::uint64_t, kSides> closed_by{};  // ended connections, by Side
  std::uint64_t ended = 0;
  std::uint64_t resets = 0;      // of `ended`: by an RST, or refused
  std::uint64_t time_waits = 0;  // of `ended`: were in TIME_WAIT
  Nanos in_time_wait{};          // the sum of these
  Handshakes out, in;            // as client, as server
  std::uint64_t busy() const;    // for the order of services
};

class Services {
 public:
  static constexpr std::size_t kMost = 512;
  using Id = std::uint32_t;
  static constexpr Id kOther = 0;

  Services();

  Id id_of(const SocketInfo& socket);
  Id id_of(const Flow& flow, Role role, const Process* owner, std::string_view cgroup);
  void count(Id id, const TransitionRecord& record);
  void count(Id id, const ConnectionRecord& record);
  const std::vector<Service>& all() const { return services_; }
  const std::string& name(Id id) const { return services_[id].name; }
  // Forgets the numbers and keeps the names, so that ids stay valid.
  void clear();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Ids = absl::flat_hash_map<std::string, Id, Hash, std::equal_to<>>;
  Id named(std::string_view name);
  Id of_cgroup(std::string_view cgroup);

  std::vector<Service> services_;
  Ids by_name_;
  Ids by_cgroup_;                                   // kNone: the cgroup names no service
  absl::flat_hash_map<std::uint64_t, Id> by_port_;  // of listeners: namespace and port
};

}  // namespace tcpdwell::reporting
