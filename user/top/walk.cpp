// SPDX-License-Identifier: Apache-2.0
#include "top/walk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "host/service.h"
#include "model/dwell_order.h"
#include "sinks/escape.h"
#include "sinks/text_format.h"

namespace tcpdwell::top {
namespace {

std::uint64_t big_endian(const std::uint8_t* bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8U | bytes[i];
  return value;
}

std::uint64_t life_order(State state) {
  const auto* const at = std::find(kDwellOrder.begin(), kDwellOrder.end(), state);
  return static_cast<std::uint64_t>(at - kDwellOrder.begin());
}

std::uint64_t port_key(const Site& site, std::uint16_t port) {
  return std::uint64_t{site.netns} << 16U | port;
}

std::string service_text(const std::string* cgroup) {
  std::string text;
  if (cgroup != nullptr) append_printable(text, service_of(*cgroup));
  return text;
}

std::string comm_text(const Process& process) {
  std::string text;
  append_printable(text, process.comm_view());
  return text;
}

}  // namespace

std::string_view name(Sort sort) {
  constexpr std::array<std::string_view, kSorts.size()> kNames = {"age", "state", "local port",
                                                                  "peer", "owner"};
  return kNames[static_cast<std::size_t>(sort)];
}

std::string_view name(By by) {
  constexpr std::array<std::string_view, kBys.size()> kNames = {"owner", "service", "port", "peer",
                                                                "namespace"};
  return kNames[static_cast<std::size_t>(by)];
}

std::string key_of(const PortUse& use) {
  return format_address({use.site.local, 0}, use.site.family) + ' ' +
         format_endpoint(use.remote, use.site.family) + ' ' + std::to_string(use.site.netns);
}

Row row_of(const OpenConnection& connection, Nanos now) {
  Row row{.key = connection.key(),
          .flow = connection.flow(),
          .state = connection.state(),
          .flagged = connection.flagged(),
          .age = connection.age(now),
          .owner = {},
          .service = service_text(connection.cgroup())};
  if (const Process* owner = connection.owner()) row.owner = format_process(*owner);
  return row;
}

void Walk::see(const OpenConnection& connection) {
  const State state = connection.state();
  ++counts_[index(state)];
  ++open_;
  Nanos& oldest = oldest_[index(state)];
  oldest = std::max(oldest, now_ - connection.entered());
  const bool listens = state == State::Listen;
  if (listens) listening_now_.insert(port_key(connection.site(), connection.local_port()));
  // Listeners are the oldest of all, and rarely what is looked for.
  if (listens && !query_.match.filter.states.test(index(State::Listen))) return;
  if (!query_.match.passes(connection, now_)) return;
  ++matching_;
  if (query_.by)
    sum(connection);
  else
    keep(candidate(connection));
}

Walk::Candidate Walk::candidate(const OpenConnection& connection) const {
  Candidate one;
  one.key = connection.key();
  auto& order = one.order;
  switch (query_.sort) {
    case Sort::Age: break;
    case Sort::State: order[0] = life_order(connection.state()); break;
    case Sort::LocalPort: order[0] = connection.local_port(); break;
    case Sort::Peer: {
      const Endpoint remote = connection.remote();
      order[0] = big_endian(remote.addr.data());
      order[1] = big_endian(remote.addr.data() + 8);
      order[2] = remote.port;
      break;
    }
    case Sort::Owner:
      order = {~0ULL, ~0ULL, ~0ULL, 0};  // unknown ones last
      if (const Process* owner = connection.owner()) {
        const auto* comm = reinterpret_cast<const std::uint8_t*>(owner->comm.data());
        order = {big_endian(comm), big_endian(comm + 8), owner->pid, 0};
      }
      break;
  }
  order[3] = static_cast<std::uint64_t>(connection.entered().count());
  if (query_.reverse)
    for (std::uint64_t& part : order) part = ~part;
  return one;
}

void Walk::keep(const Candidate& candidate) {
  if (best_.size() >= kRows) {
    if (!(candidate < best_.front())) return;
    std::pop_heap(best_.begin(), best_.end());
    best_.pop_back();
  }
  best_.push_back(candidate);
  std::push_heap(best_.begin(), best_.end());
}

// The port of the service that a connection belongs to, not the ephemeral one.
std::uint16_t Walk::service_port(const OpenConnection& connection) const {
  switch (connection.role()) {
    case Role::Client: return connection.remote().port;
    case Role::Server:
    case Role::Listener: return connection.local_port();
    case Role::Unknown: break;
  }
  return listening_.contains(port_key(connection.site(), connection.local_port()))
             ? connection.local_port()
             : connection.remote().port;
}

std::string Walk::sum_key(const OpenConnection& connection) const {
  switch (*query_.by) {
    case By::Owner: {
      const Process* owner = connection.owner();
      return owner != nullptr ? std::string(owner->comm_view()) : std::string();
    }
    case By::Service: {
      const std::string* path = connection.cgroup();
      return path != nullptr ? *path : std::string();
    }
    case By::Port: return std::to_string(service_port(connection));
    case By::Peer: return format_address(connection.remote(), connection.site().family);
    case By::Netns: return std::to_string(connection.site().netns);
  }
  return {};
}

void Walk::describe(Sum& sum, const OpenConnection& connection) const {
  switch (*query_.by) {
    case By::Owner:
      if (const Process* owner = connection.owner()) {
        sum.text = comm_text(*owner);
        const bool is_plain =
            sum.text == owner->comm_view() && sum.text.find_first_of(" ,") == std::string::npos;
        sum.word = is_plain ? "comm=" + sum.text : sum.text;
      }
      break;
    case By::Service:
      sum.text = service_text(connection.cgroup());
      sum.word = sum.text;
      break;
    case By::Port:
      sum.text = "port " + sum.key;
      sum.word = "port=" + sum.key;
      break;
    case By::Peer:
      sum.text = sum.key;
      sum.word = "addr=" + sum.key;
      break;
    case By::Netns:
      sum.text = sum.key;
      sum.word = "netns=" + sum.key;
      break;
  }
  // A word ends at a space.
  sum.word.erase(std::min(sum.word.find(' '), sum.word.size()));
  if (sum.text.empty()) sum.text = "-";
}

void Walk::sum(const OpenConnection& connection) {
  std::string key = sum_key(connection);
  auto it = sums_.find(key);
  const bool is_new = it == sums_.end();
  if (is_new && sums_.size() < kSums) it = sums_.emplace(key, Sum{}).first;
  Sum& sum = it == sums_.end() ? others_ : it->second;
  if (is_new && &sum != &others_) {
    sum.key = std::move(key);
    describe(sum, connection);
  }
  ++sum.now[index(connection.state())];
  ++sum.all;
  if (connection.flagged()) ++sum.flagged;
  sum.oldest = std::max(sum.oldest, now_ - connection.entered());
}

void Walk::finish(const Lifecycle& lifecycle, Look& look) {
  look.now = counts_;
  look.matching = matching_;
  look.open = open_;
  for (const State state : kDwellOrder)
    if (const auto threshold = lifecycle.thresholds().of[index(state)])
      look.near.push_back({state, *threshold, counts_[index(state)], oldest_[index(state)]});
  std::sort_heap(best_.begin(), best_.end());
  for (const Candidate& each : best_)
    if (const auto connection = lifecycle.find_open(each.key))
      look.rows.push_back(row_of(*connection, now_));
  // Services are grouped by their cgroups, of which several can be of one service.
  absl::flat_hash_map<std::string, std::size_t> by_text;
  for (auto& [key, sum] : sums_) {
    const auto [at, is_new] = by_text.emplace(sum.text, look.sums.size());
    if (is_new) {
      sum.key = sum.text;
      look.sums.push_back(std::move(sum));
      continue;
    }
    Sum& same = look.sums[at->second];
    for (std::size_t i = 0; i < kStates; ++i) same.now[i] += sum.now[i];
    same.all += sum.all;
    same.flagged += sum.flagged;
    same.oldest = std::max(same.oldest, sum.oldest);
  }
  std::sort(look.sums.begin(), look.sums.end(), [](const Sum& a, const Sum& b) {
    return std::tuple(b.flagged, b.all, a.text) < std::tuple(a.flagged, a.all, b.text);
  });
  if (query_.reverse) std::reverse(look.sums.begin(), look.sums.end());
  if (others_.all == 0) return;
  others_.key = others_.text = "(other)";
  look.sums.push_back(std::move(others_));
}

}  // namespace tcpdwell::top
