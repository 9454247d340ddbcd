// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/filter.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tcpdwell {
namespace {

template <typename T>
bool has(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool has_text(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

Verdict both(Verdict a, Verdict b) {
  if (a == Verdict::Hide || b == Verdict::Hide) return Verdict::Hide;
  return a == Verdict::Show && b == Verdict::Show ? Verdict::Show : Verdict::NotYet;
}

// `matches`: the known fields match. `missing`: a field that is not known yet can still match.
Verdict judge(bool matches, bool missing, bool complete) {
  if (matches) return Verdict::Show;
  return missing && !complete ? Verdict::NotYet : Verdict::Hide;
}

bool contains_any(const std::vector<Cidr>& cidrs, const Endpoint& end, Family family) {
  return std::any_of(cidrs.begin(), cidrs.end(),
                     [&](const Cidr& cidr) { return cidr.family == family && cidr.contains(end); });
}

// An unknown address is all zero: do not match it with 0.0.0.0/1.
Verdict judge_addresses(const std::vector<Cidr>& cidrs, const Flow& flow, bool complete) {
  bool matches = false, missing = false;
  for (const Endpoint* end : {&flow.local, &flow.remote}) {
    const bool unknown = !complete && is_zero(*end);
    missing = missing || unknown;
    matches = matches || (!unknown && contains_any(cidrs, *end, flow.family));
  }
  return judge(matches, missing, complete);
}

bool contains(const PortList& ports, std::uint16_t port) {
  return std::any_of(ports.begin(), ports.end(),
                     [port](const PortMatch& match) { return match.contains(port); });
}

// `known_addr`: the address is not still to come.
bool matches(const EndMatch& match, const Endpoint& end, Family family, bool known_addr) {
  if (match.port && !match.port->contains(end.port)) return false;
  return !match.addr || (known_addr && match.addr->family == family && match.addr->contains(end));
}

Verdict judge_end(const std::vector<EndMatch>& list, const Endpoint& end, Family family,
                  bool complete) {
  const bool known_addr = complete || !is_zero(end);
  const bool found = std::any_of(list.begin(), list.end(), [&](const EndMatch& match) {
    return matches(match, end, family, known_addr);
  });
  return judge(found, end.port == 0 || !known_addr, complete);
}

// A listener has no remote end: not even 0.0.0.0/0 contains it.
Verdict judge_remote(const std::vector<EndMatch>& list, const Flow& flow, bool complete) {
  if (complete && flow.remote.port == 0) return Verdict::Hide;
  return judge_end(list, flow.remote, flow.family, complete);
}

// "::ffff:10.0.0.0/104" is 10.0.0.0/8
void unmap(Cidr& cidr, unsigned& bits) {
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (bits < 96 || !std::equal(kMapped.begin(), kMapped.end(), cidr.addr.begin())) return;
  std::copy(cidr.addr.begin() + 12, cidr.addr.end(), cidr.addr.begin());
  std::fill(cidr.addr.begin() + 4, cidr.addr.end(), std::uint8_t{0});
  cidr.family = Family::Ipv4;
  bits -= 96;
}

}  // namespace

bool Cidr::contains(const Endpoint& end) const {
  for (std::size_t i = 0; i < addr.size(); ++i)
    if ((end.addr[i] & mask[i]) != addr[i]) return false;
  return true;
}

std::optional<Cidr> parse_cidr(std::string_view text) {
  const auto slash = text.find('/');
  const std::string address(text.substr(0, slash));
  if (address.find('\0') != std::string::npos) return std::nullopt;
  Cidr cidr;
  if (::inet_pton(AF_INET, address.c_str(), cidr.addr.data()) == 1)
    cidr.family = Family::Ipv4;
  else if (::inet_pton(AF_INET6, address.c_str(), cidr.addr.data()) == 1)
    cidr.family = Family::Ipv6;
  else
    return std::nullopt;
  const unsigned most = cidr.family == Family::Ipv4 ? 32 : 128;
  unsigned bits = most;
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc{} || end != digits.data() + digits.size() || bits > most)
      return std::nullopt;
  }
  unmap(cidr, bits);
  for (unsigned i = 0; i < bits; ++i)
    cidr.mask[i / 8] = static_cast<std::uint8_t>(cidr.mask[i / 8] | 0x80U >> i % 8);
  for (std::size_t i = 0; i < cidr.addr.size(); ++i) cidr.addr[i] &= cidr.mask[i];
  return cidr;
}

Verdict Filter::on_flow(const Flow& flow, bool complete) const {
  const std::uint16_t lport = flow.local.port, rport = flow.remote.port;
  Verdict verdict = Verdict::Show;
  if (netns && *netns != flow.netns) return Verdict::Hide;
  if (family) verdict = both(verdict, judge(*family == flow.family, rport == 0, complete));
  if (!ports.empty())
    verdict = both(verdict, judge(contains(ports, lport) || contains(ports, rport),
                                  lport == 0 || rport == 0, complete));
  if (!local_ports.empty())
    verdict = both(verdict, judge(contains(local_ports, lport), lport == 0, complete));
  if (!remote_ports.empty())
    verdict = both(verdict, judge(contains(remote_ports, rport), rport == 0, complete));
  if (!addrs.empty()) verdict = both(verdict, judge_addresses(addrs, flow, complete));
  if (!locals.empty())
    verdict = both(verdict, judge_end(locals, flow.local, flow.family, complete));
  if (!remotes.empty()) verdict = both(verdict, judge_remote(remotes, flow, complete));
  if (recorded) verdict = both(verdict, recorded->on_flow(flow, complete));
  return verdict;
}

Verdict Filter::on_owner(const std::optional<Owner>& owner, const std::optional<std::string>& path,
                         bool complete) const {
  Verdict verdict = Verdict::Show;
  if (!pids.empty())
    verdict = both(verdict, judge(owner && owner->process.pid != 0 && has(pids, owner->process.pid),
                                  !owner, complete));
  if (!comms.empty())
    verdict = both(verdict,
                   judge(owner && has_text(comms, owner->process.comm_view()), !owner, complete));
  if (!cgroup.empty()) {
    const bool root = cgroup == "/";
    const bool below = path && path->starts_with(cgroup) &&
                       (root || path->size() == cgroup.size() || (*path)[cgroup.size()] == '/');
    verdict = both(verdict, judge(below, !path, complete));
  }
  if (recorded) verdict = both(verdict, recorded->on_owner(owner, path, complete));
  return verdict;
}

bool Filter::asks_for_cgroup() const {
  return !cgroup.empty() || (recorded && recorded->asks_for_cgroup());
}

bool Filter::may_part_sockets() const {
  return !ports.empty() || !local_ports.empty() || !remote_ports.empty() || !addrs.empty() ||
         !locals.empty() || !remotes.empty() || family || states.any() || min_dwell.count() > 0 ||
         (recorded && recorded->may_part_sockets());
}

bool passes(const Filter& filter, const SocketInfo& socket, State state, Nanos dwell) {
  const std::optional<std::string> cgroup =
      socket.cgroup.empty() ? std::nullopt : std::optional(std::string(socket.cgroup));
  return filter.on_flow(socket.flow, true) == Verdict::Show &&
         filter.on_owner(socket.owner, cgroup, true) == Verdict::Show &&
         (filter.states.none() || filter.states[index(state)]) && dwell >= filter.min_dwell;
}

bool passes_all_of(const Filter& filter, const Filter& recorded) {
  const auto wider = [](const auto& list, const auto& other) {
    return list.empty() || list == other;
  };
  return wider(filter.ports, recorded.ports) && wider(filter.local_ports, recorded.local_ports) &&
         wider(filter.remote_ports, recorded.remote_ports) && wider(filter.addrs, recorded.addrs) &&
         wider(filter.locals, recorded.locals) && wider(filter.remotes, recorded.remotes) &&
         wider(filter.pids, recorded.pids) && wider(filter.comms, recorded.comms) &&
         wider(filter.cgroup, recorded.cgroup) &&
         (!filter.family || filter.family == recorded.family) &&
         (!filter.netns || filter.netns == recorded.netns);
}

// Never Hide before `complete`: a process of the command may still accept the socket.
Verdict Filter::on_followed(bool is_followed, bool complete) const {
  return followed ? judge(is_followed, true, complete) : Verdict::Show;
}

bool Filter::wants(const FlagRecord& record) const {
  return states.none() || states[index(record.state)];
}

bool Filter::wants(const TransitionRecord& record) const {
  if (min_dwell.count() > 0)
    return record.dwell && record.dwell->value >= min_dwell &&
           (states.none() || states[index(record.from)]);
  return states.none() || states[index(record.from)] || states[index(record.to)];
}

// A failed connect() was in SYN_SENT shortly, so it passes a filter for that state.
bool Filter::wants(const FailedConnectsRecord&) const {
  return !flags_only && (states.none() || states[index(State::SynSent)]);
}

bool Filter::wants(const ConnectionRecord& record) const {
  if (min_dwell.count() == 0 && (states.none() || states[index(State::Closed)])) return true;
  for (std::size_t i = 0; i < kStates; ++i)
    if ((states.none() || states[i]) && record.dwell[i] && record.dwell[i]->value >= min_dwell)
      return true;
  return false;
}

}  // namespace tcpdwell
