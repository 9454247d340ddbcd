// SPDX-License-Identifier: Apache-2.0
// Types that all layers share: states, addresses, processes, times.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace tcpdwell {

// CLOCK_MONOTONIC. A point in time and a duration share this type: the difference of two points in
// time is a dwell.
using Nanos = std::chrono::nanoseconds;

// RFC 9293, section 3.3.2. Values are the kernel's (include/net/tcp_states.h).
enum class State : std::uint8_t {
  Established = 1,
  SynSent,
  SynReceived,
  FinWait1,
  FinWait2,
  TimeWait,
  Closed,
  CloseWait,
  LastAck,
  Listen,
  Closing,
};
inline constexpr std::size_t kStates = 12;  // an array indexed by State; [0] is never used

constexpr std::size_t index(State state) { return static_cast<std::size_t>(state); }

// TCP_NEW_SYN_RECV (12) is SynReceived. Anything else outside 1..11 is nullopt.
std::optional<State> to_state(std::uint8_t kernel_value);
// "FIN_WAIT_2"
std::string_view name(State state);
// Any case, and the spellings of RFC 9293, ss, netstat and the kernel. nullopt: no such state.
std::optional<State> parse_state(std::string_view text);

enum class Family : std::uint8_t { Ipv4 = 2, Ipv6 = 10 };

// Compares without a call: operator== of std::array calls memcmp(), which costs time at each event.
template <typename Byte>
bool same(const std::array<Byte, 16>& a, const std::array<Byte, 16>& b) {
  static_assert(sizeof(Byte) == 1);
  std::array<std::uint64_t, 2> x, y;
  std::memcpy(x.data(), a.data(), sizeof x);
  std::memcpy(y.data(), b.data(), sizeof y);
  return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

struct Endpoint {
  std::array<std::uint8_t, 16> addr{};  // network order; IPv4 in the first 4 bytes
  std::uint16_t port = 0;               // host order; 0: none (yet)
  bool operator==(const Endpoint& other) const {
    return port == other.port && same(addr, other.addr);
  }
};
inline bool is_zero(const Endpoint& end) { return same(end.addr, Endpoint{}.addr); }

// The two ends of a connection in a network namespace. Also the key that links a request sock to
// the child socket made from it.
struct Flow {
  Endpoint local, remote;
  std::uint64_t netns_cookie = 0;  // never reused
  std::uint32_t netns = 0;         // inode number, for output
  Family family = Family::Ipv4;
  // The interface that the socket is bound to; 0: none. The same four numbers on two interfaces are
  // two connections.
  static constexpr std::uint32_t kUnknownDevice = UINT32_MAX;
  std::uint32_t device = kUnknownDevice;
  bool operator==(const Flow&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const Flow& flow) {
    return H::combine(std::move(hash), flow.local.addr, flow.remote.addr, flow.local.port,
                      flow.remote.port, flow.netns_cookie, flow.device);
  }
};

// "10.0.0.1", "2001:db8::1" (RFC 5952)
std::string format_address(const Endpoint& end, Family family);

// A process, as of when it acted on a socket.
struct Process {
  std::uint32_t pid = 0;  // thread group id in the tracer's pid namespace; 0: not visible there
  std::uint32_t uid = 0;
  std::uint64_t cgroup_id = 0;
  std::array<char, 16> comm{};  // untrusted bytes of another process, not always terminated
  std::string_view comm_view() const;
  bool operator==(const Process& other) const {
    return pid == other.pid && uid == other.uid && cgroup_id == other.cgroup_id &&
           same(comm, other.comm);
  }
  template <typename H>
  friend H AbslHashValue(H hash, const Process& process) {
    return H::combine(std::move(hash), process.pid, process.uid, process.cgroup_id, process.comm);
  }
};

// How a socket's owner became known.
enum class Via : std::uint8_t { Connect, Listen, Accept, Close, Fd };
std::string_view name(Via via);

struct Owner {
  Process process;
  Via via = Via::Connect;
  bool operator==(const Owner&) const = default;
};

}  // namespace tcpdwell
