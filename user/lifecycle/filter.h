// SPDX-License-Identifier: Apache-2.0
// Decides which connections a run reports: once for each connection, as soon as possible. A
// connection that passes is reported from its first state to its last. The kernel side applies the
// flow part as far as it knows the flow.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/record.h"
#include "model/types.h"

namespace tcpdwell {

enum class Verdict : std::uint8_t { NotYet, Show, Hide };

// An address block; v4-mapped blocks are stored as IPv4. `addr` has no bit set outside `mask`.
struct Cidr {
  std::array<std::uint8_t, 16> addr{};
  std::array<std::uint8_t, 16> mask{};
  Family family = Family::Ipv4;
  bool contains(const Endpoint& end) const;
  bool operator==(const Cidr&) const = default;
};
// "10.0.0.0/8", "::1", "2001:db8::/32". nullopt: invalid.
std::optional<Cidr> parse_cidr(std::string_view text);

// One port, or a range of ports.
struct PortMatch {
  std::uint16_t first = 1, last = UINT16_MAX;  // both included
  constexpr PortMatch() = default;             // any port
  constexpr PortMatch(std::uint16_t port) : first(port), last(port) {}
  constexpr PortMatch(std::uint16_t from, std::uint16_t to) : first(from), last(to) {}
  // False for 0, a port that is not known.
  bool contains(std::uint16_t port) const { return port >= first && port <= last; }
  bool operator==(const PortMatch&) const = default;
};
using PortList = std::vector<PortMatch>;

// One end of a connection: "10.0.0.1:80", "[::1]:80-90".
struct EndMatch {
  std::optional<Cidr> addr;       // nullopt: any
  std::optional<PortMatch> port;  // nullopt: any, also one that is not known
  bool operator==(const EndMatch&) const = default;
};

struct Filter {
  PortList ports, local_ports, remote_ports;  // either side, local, remote
  std::vector<Cidr> addrs;                    // either side
  std::vector<EndMatch> locals, remotes;
  std::optional<Family> family;
  std::optional<std::uint32_t> netns;  // inode number
  std::vector<std::uint32_t> pids;     // the owner's
  std::vector<std::string> comms;      // the owner's; cut to the length of a comm
  std::string cgroup;  // path below the cgroup v2 root ("/a/b"), includes descendants; empty: any
  std::bitset<kStates> states;  // none set: any
  // Only transitions, and connections with a dwell, of at least this in one of `states`; all flags.
  // A dwell that is a lower bound counts as that bound.
  Nanos min_dwell{};

  // A replay: the filter of the recorded run. The recording contains only what that filter passed.
  std::shared_ptr<const Filter> recorded;

  // The decision from the flow alone. `complete`: fields that are missing will not come later.
  Verdict on_flow(const Flow& flow, bool complete) const;
  bool followed = false;    // `run`: only sockets of the command
  bool flags_only = false;  // transitions are not wanted, and not kept until the decision

  // The decision from the owner and the cgroup path, each nullopt if not known.
  Verdict on_owner(const std::optional<Owner>& owner, const std::optional<std::string>& cgroup,
                   bool complete) const;
  bool asks_for_cgroup() const;  // on_owner() needs the cgroup path
  // It can pass one socket of a process and hide another one of the same process.
  bool may_part_sockets() const;
  Verdict on_followed(bool is_followed, bool complete) const;
  bool wants(const TransitionRecord& record) const;
  bool wants(const FlagRecord& record) const;
  bool wants(const ConnectionRecord& record) const;
  bool wants(const FailedConnectsRecord& record) const;
};
// True if an open socket passes with what is known of it: an unknown field does not match. `dwell`:
// its time in `state`. For sockets outside the table.
bool passes(const Filter& filter, const SocketInfo& socket, State state, Nanos dwell);
// True if `filter` certainly passes every connection that `recorded` passes.
bool passes_all_of(const Filter& filter, const Filter& recorded);

}  // namespace tcpdwell
