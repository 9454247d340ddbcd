// SPDX-License-Identifier: Apache-2.0
#include "kernel/other_ends.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <tuple>

#include "kernel/programs.h"
#include "kernel/sock_diag.h"
#include "model/loopback.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kAddressesKept = 5s;
constexpr std::size_t kMostNamespaces = 1024;  // whose addresses are read
constexpr std::size_t kMostListeners = 1024;   // per query
constexpr int kMostGenerations = 3;  // between a listener and a process that inherited its child

Flow mirrored(Flow flow) {
  std::swap(flow.local, flow.remote);
  return flow;
}

template <typename Add>
void for_each_address(Add&& add) {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(all, ::freeifaddrs);
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    std::array<std::uint8_t, 16> address{};
    if (one->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, one->ifa_addr, sizeof v4);
      std::memcpy(address.data(), &v4.sin_addr, sizeof v4.sin_addr);
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, one->ifa_addr, sizeof v6);
      std::memcpy(address.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    } else {
      continue;
    }
    add(address);
  }
}

bool is_before(const Holder& a, const Holder& b) {
  return std::pair(a.process.pid, a.fd) < std::pair(b.process.pid, b.fd);
}

// True if it is an ancestor of another one that listens: it leaves accept() to that.
bool is_master(std::uint32_t master, const std::map<std::uint32_t, Process>& listening,
               ProcessReader& processes) {
  return std::any_of(listening.begin(), listening.end(), [&](const auto& one) {
    std::uint32_t up = one.first;
    for (int i = 0; i < kMostGenerations && up != 0; ++i) {
      up = processes.parent_of(up);
      if (up == master && one.first != master) return true;
    }
    return false;
  });
}

}  // namespace

void OtherEnds::read_addresses() {
  const Nanos now = monotonic_now();
  if (addresses_read_.count() >= 0 && now < addresses_read_ + kAddressesKept) return;
  addresses_read_ = now;
  owners_.clear();
  std::size_t count = 0;
  for (const Namespaces::Name& name : namespaces_.known()) {
    if (++count > kMostNamespaces) break;
    namespaces_.enter(name.cookie, [&, cookie = name.cookie] {
      for_each_address([&](const Address& address) {
        auto& owners = owners_[address];
        if (owners.empty() || owners.back() != cookie) owners.push_back(cookie);
      });
    });
  }
}

// Runs in that namespace.
void OtherEnds::find_ends(const std::vector<Asked>& asked, std::uint64_t netns_cookie,
                          std::span<InquiryEvent> answers) {
  std::vector<Flow> flows;
  flows.reserve(asked.size());
  for (const Asked& one : asked) flows.push_back(mirrored(one.flow));
  const std::vector<InquiryEvent> found = find_sockets(flows);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const bool itself =
        netns_cookie == asked[i].flow.netns_cookie && asked[i].flow.local == asked[i].flow.remote;
    if (found[i].presence != Presence::Present || itself) continue;
    answers[asked[i].answer].other_end =
        OtherEnd{.process = {}, .state = found[i].state, .receive_queue = found[i].receive_queue};
    if (found[i].kind == SocketKind::Full && found[i].cookie != 0)
      ends_.emplace(found[i].cookie, asked[i].answer);
  }
}

// Several sockets of a server share a listener.
void OtherEnds::find_listeners(const std::vector<Asked>& asked) {
  std::map<std::tuple<Family, Address, std::uint16_t>, std::vector<std::size_t>> by_end;
  for (const Asked& one : asked) {
    const std::tuple key(one.flow.family, one.flow.local.addr, one.flow.local.port);
    if (by_end.size() < kMostListeners || by_end.contains(key)) by_end[key].push_back(one.answer);
  }
  std::vector<Flow> flows;
  for (const auto& [key, of] : by_end) {
    Flow& flow = flows.emplace_back();
    std::tie(flow.family, flow.local.addr, flow.local.port) = key;
  }
  const std::vector<InquiryEvent> found = find_sockets(flows);
  std::size_t i = 0;
  for (const auto& [key, of] : by_end) {
    const InquiryEvent& listener = found[i++];
    if (listener.presence != Presence::Present || listener.state != State::Listen) continue;
    auto& waiting = listeners_[listener.cookie];
    waiting.insert(waiting.end(), of.begin(), of.end());
  }
}

// In another namespace that has the address, such as a container's.
void OtherEnds::find_elsewhere(const std::vector<Asked>& asked, std::span<InquiryEvent> answers) {
  std::map<std::uint64_t, std::vector<Asked>> by_netns;
  for (const Asked& one : asked) {
    if (answers[one.answer].other_end || is_loopback(one.flow.remote.addr, one.flow.family))
      continue;
    read_addresses();
    const auto owners = owners_.find(one.flow.remote.addr);
    if (owners == owners_.end()) continue;
    for (const std::uint64_t netns : owners->second)
      if (netns != one.flow.netns_cookie) by_netns[netns].push_back(one);
  }
  for (const auto& [netns, some] : by_netns)
    namespaces_.enter(netns,
                      [&, cookie = netns, &those = some] { find_ends(those, cookie, answers); });
}

void OtherEnds::find(std::span<const Question> questions, std::span<InquiryEvent> answers) {
  ends_.clear();
  listeners_.clear();
  std::map<std::uint64_t, std::vector<Asked>> by_netns;
  std::vector<Asked> all;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const bool wanted = questions[i].for_flag && answers[i].presence == Presence::Present &&
                        answers[i].state != State::Listen;
    if (!wanted) continue;
    all.push_back({i, questions[i].flow});
    if (all.back().flow.local.port == 0) all.back().flow.local.port = answers[i].local.port;
    by_netns[questions[i].flow.netns_cookie].push_back(all.back());
  }
  for (const auto& [netns, asked] : by_netns)
    namespaces_.enter(netns, [&, cookie = netns, &those = asked] {
      find_ends(those, cookie, answers);
      find_listeners(those);
    });
  find_elsewhere(all, answers);
}

std::vector<std::uint64_t> OtherEnds::cookies() const {
  std::vector<std::uint64_t> cookies;
  cookies.reserve(ends_.size() + listeners_.size());
  for (const auto& [cookie, of] : ends_) cookies.push_back(cookie);
  for (const auto& [cookie, of] : listeners_) cookies.push_back(cookie);
  return cookies;
}

void OtherEnds::learn(std::span<const Holding> holdings, std::span<InquiryEvent> answers,
                      ProcessReader& processes) const {
  std::unordered_map<std::size_t, Holder> ends;  // the first of several holders
  std::unordered_map<std::size_t, std::map<std::uint32_t, Process>> listening;
  for (const Holding& holding : holdings) {
    if (const auto it = ends_.find(holding.cookie); it != ends_.end()) {
      const auto [end, is_new] = ends.emplace(it->second, holding.holder);
      if (!is_new && is_before(holding.holder, end->second)) end->second = holding.holder;
    }
    if (const auto it = listeners_.find(holding.cookie); it != listeners_.end())
      for (const std::size_t answer : it->second)
        listening[answer].emplace(holding.holder.process.pid, holding.holder.process);
  }
  for (const auto& [answer, holder] : ends) {
    answers[answer].other_end->process = holder.process;
    answers[answer].other_end->fd = holder.fd;
    processes.read(holder.process);
  }
  for (const auto& [answer, by_pid] : listening) {
    const std::vector<Holder>& holders = answers[answer].holders;
    const bool some =
        std::any_of(holders.begin(), holders.end(),
                    [&all = by_pid](const Holder& one) { return all.contains(one.process.pid); });
    if (holders.empty() || some || !answers[answer].attached) continue;
    std::uint32_t pid = holders.front().process.pid;
    for (int i = 0; i < kMostGenerations && pid != 0; ++i) {
      pid = processes.parent_of(pid);
      const auto parent = by_pid.find(pid);
      if (parent == by_pid.end() || is_master(pid, by_pid, processes)) continue;
      answers[answer].inherited_from = parent->second;
      break;
    }
  }
}

}  // namespace tcpdwell
