// SPDX-License-Identifier: Apache-2.0
// Reads the parts that several records share. The input bytes are untrusted.
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include "model/event.h"
#include "tcpdwell/wire.h"

namespace tcpdwell::decoding {

using Bytes = std::span<const std::byte>;

// The size that a struct of wire.h had in version 1. New fields are appended; they read as 0 in
// records of older versions. A struct that other structs begin with keeps its size.
template <typename Raw>
inline constexpr std::size_t kFirstSize = sizeof(Raw);
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_timewait> = 104;
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_request> = 96;
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_accept> = 64;
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_reset> = 32;
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_syn> = 80;
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_tally> = 24;
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_stamps> = 40;
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_mptcp_change> = 88;
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_release> = 72;
template <>
inline constexpr std::size_t kFirstSize<tcpdwell_exit> = 24;
static_assert(sizeof(tcpdwell_head) == 16 && sizeof(tcpdwell_flow) == 56 &&
                  sizeof(tcpdwell_task) == 32 && sizeof(tcpdwell_transition) == 112 &&
                  sizeof(tcpdwell_snapshot) == 128 && sizeof(tcpdwell_mptcp) == 64,
              "other structs begin with these or contain them: append a separate struct, with a "
              "flag that says that it is present, as tcpdwell_stamps");

// Always copies: ring records are only 8-byte aligned, and records of a recording are not aligned.
// Fields that an older version did not write are zero.
template <typename Raw>
std::optional<Raw> read(Bytes record, std::size_t at = 0) {
  static_assert(kFirstSize<Raw> <= sizeof(Raw), "a field was removed");
  if (record.size() < at + kFirstSize<Raw>) return std::nullopt;
  Raw raw;
  if (record.size() >= at + sizeof raw) {
    std::memcpy(&raw, record.data() + at, sizeof raw);
  } else {
    raw = {};
    std::memcpy(&raw, record.data() + at, record.size() - at);
  }
  return raw;
}

// Rejects damaged values: times are used in arithmetic and CPU numbers as array sizes.
inline bool is_time(std::uint64_t ns) {
  constexpr std::uint64_t kLatest = INT64_MAX / 2;  // 146 years after boot
  return ns < kLatest;
}

inline bool is_plausible(const tcpdwell_head& head) {
  constexpr std::uint32_t kMaxCpus = 1U << 16;
  return head.version >= 1 && head.version <= TCPDWELL_WIRE_VERSION && is_time(head.at_ns) &&
         head.cpu < kMaxCpus;
}

inline Nanos at(const tcpdwell_head& head) { return Nanos{static_cast<std::int64_t>(head.at_ns)}; }

inline bool is_flow(const tcpdwell_flow& raw) {
  return raw.family == TCPDWELL_FAMILY_IPV4 || raw.family == TCPDWELL_FAMILY_IPV6;
}

inline void fill(Flow& flow, const tcpdwell_flow& raw) {
  std::memcpy(flow.local.addr.data(), raw.local, sizeof raw.local);
  std::memcpy(flow.remote.addr.data(), raw.remote, sizeof raw.remote);
  flow.local.port = raw.local_port;
  flow.remote.port = raw.remote_port;
  flow.netns_cookie = raw.netns_cookie;
  flow.netns = raw.netns_inum;
  flow.family = static_cast<Family>(raw.family);
  if (raw.has_device != 0) flow.device = raw.device;
}

inline std::optional<Flow> flow_of(const tcpdwell_flow& raw) {
  if (!is_flow(raw)) return std::nullopt;
  std::optional<Flow> flow(std::in_place);
  fill(*flow, raw);
  return flow;
}

inline Process process_of(const tcpdwell_task& raw) {
  Process process{.pid = raw.pid, .uid = raw.uid, .cgroup_id = raw.cgroup_id};
  std::memcpy(process.comm.data(), raw.comm, sizeof raw.comm);
  return process;
}

inline std::optional<std::uint32_t> ago(std::uint32_t jiffies) {
  return jiffies == TCPDWELL_NEVER ? std::nullopt : std::optional(jiffies);
}

inline std::optional<MptcpSocket> mptcp_socket(const tcpdwell_mptcp& raw) {
  const auto state = to_state(raw.state);
  if (!state) return std::nullopt;
  MptcpSocket socket{.object = raw.object,
                     .cookie = raw.cookie,
                     .state = *state,
                     .dead = (raw.flags & TCPDWELL_MPTCP_IS_DEAD) != 0,
                     .attached = (raw.flags & TCPDWELL_MPTCP_IS_ATTACHED) != 0,
                     .unread = (raw.flags & TCPDWELL_MPTCP_UNREAD) != 0,
                     .unread_bytes = raw.unread,
                     .unsent_bytes = raw.unsent,
                     .subflows = raw.subflows,
                     .acked_ago = ago(raw.acked_ago),
                     .received_ago = ago(raw.received_ago),
                     .sent_ago = ago(raw.sent_ago)};
  if (raw.flags & TCPDWELL_MPTCP_UNCOUNTED) socket.unread_bytes.reset();
  return socket;
}

}  // namespace tcpdwell::decoding
