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

struct Filter {
  std::vector<std::uint16_t> ports, local_ports, remote_ports;  // either side, local, remote
  std::vector<Cidr> addrs;                                      // either side
  std::optional<Family> family;
  std::optional<std::uint32_t> netns;  // inode number
  std::vector<std::uint32_t> pids;     // the owner's
  std::string cgroup;  // path below the cgroup v2 root ("/a/b"), includes descendants; empty: any
  std::bitset<kStates> states;  // none set: any

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
  Verdict on_followed(bool is_followed, bool complete) const;
  bool wants(const TransitionRecord& record) const;
  bool wants(const FlagRecord& record) const;
  bool wants(const ConnectionRecord& record) const;
  bool wants(const FailedConnectsRecord& record) const;
};
// True if `filter` certainly passes every connection that `recorded` passes.
bool passes_all_of(const Filter& filter, const Filter& recorded);

}  // namespace tcpdwell
