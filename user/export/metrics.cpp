// SPDX-License-Identifier: Apache-2.0
#include "export/metrics.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "host/tcp_timeouts.h"
#include "model/kernel_time.h"
#include "stats/exact.h"

namespace tcpdwell::exporter {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kStep = 1s;
constexpr Nanos kSoon = 20ms;
constexpr Nanos kPortsStep = 5s;
// Connections per second of a walk, and of one that counts ports, that take 1 % of a CPU.
constexpr std::uint64_t kCheap = 100'000, kDear = 15'000;

Nanos at_most_per_second(std::uint64_t count, std::uint64_t per_second) {
  return Nanos{static_cast<std::int64_t>(count * 1'000'000'000 / per_second)};
}

// Two network namespaces can have the same addresses, and a series must be unique: the first one is
// the nearest to its limit.
void keep_first_of_each(std::vector<PortUse>& ports) {
  std::set<std::tuple<decltype(Endpoint::addr), decltype(Endpoint::addr), std::uint16_t>> seen;
  std::erase_if(ports, [&](const PortUse& use) {
    return !seen.emplace(use.site.local, use.remote.addr, use.remote.port).second;
  });
}

}  // namespace

void Metrics::write(const Record& record) noexcept {
  std::visit(Overloaded{[this](const TransitionRecord& transition) { count(transition); },
                        [this](const ConnectionRecord& connection) { count(connection); },
                        [this](const FlagRecord& flag) { stuck_.add(flag, services_); },
                        [this](const FailedConnectsRecord& failed) {
                          pressure_.failed(failed);
                          failed_since_.push_back(failed);
                        },
                        [this](const StartRecord& start) {
                          start_ = start;
                          next_ = start.when.mono;
                        },
                        [this](const LostRecord& lost) {
                          lost_[static_cast<std::size_t>(lost.cause)] += lost.events;
                        },
                        [](const ClockRecord&) {}, [](const EndRecord&) {}},
             record);
}

void Metrics::count(const TransitionRecord& record) {
  if (!record.dwell) return;
  const std::size_t state = index(record.from);
  if (is_exact(*record.dwell))
    dwells_[state].add(record.dwell->value);
  else
    ++inexact_[state];
}

void Metrics::count(const ConnectionRecord& record) {
  ++ended_[static_cast<std::size_t>(record.ended)][static_cast<std::size_t>(record.closed_by)];
  if (record.time_wait_ended) ++time_wait_ended_[static_cast<std::size_t>(*record.time_wait_ended)];
}

void Metrics::count_failures(const Lifecycle& lifecycle) {
  for (const FailedConnectsRecord& failed : failed_since_) {
    const Process none{}, &process = failed.process ? *failed.process : none;
    const std::string* cgroup = lifecycle.known_cgroup(process.cgroup_id);
    std::string name = services_.name_of(cgroup ? *cgroup : std::string(), process.comm_view());
    const bool fits = connects_failed_.size() < 2 * config_.services;
    if (!fits && !connects_failed_.contains({failed.reason, name})) name = kOther;
    connects_failed_[{failed.reason, std::move(name)}] += failed.count;
  }
  failed_since_.clear();
}

void Metrics::walk(Nanos now, const Lifecycle& lifecycle) {
  const bool with_ports =
      config_.destinations != 0 &&
      (last_ports_.count() == 0 ||
       now - last_ports_ >= std::max(kPortsStep, at_most_per_second(open_, kDear)));
  if (with_ports) pressure_.begin(lifecycle.port_ranges(), now);
  services_.begin();
  open_ = 0;
  lifecycle.for_each_open([&](const OpenConnection& connection) {
    ++open_;
    const std::string* cgroup = connection.cgroup();
    const Process* owner = connection.owner();
    const std::string& name =
        services_.name_of(cgroup != nullptr ? std::string_view(*cgroup) : std::string_view{},
                          owner != nullptr ? owner->comm_view() : std::string_view{});
    ++services_.at(name).now[index(connection.state())];
    if (with_ports) pressure_.see(connection);
  });
  if (std::exchange(evicted_, lifecycle.evicted()) != lifecycle.evicted())
    stuck_.keep_open([&](std::uint64_t cookie) { return lifecycle.find_open_cookie(cookie); });
  stuck_.count_into(services_);
  services_.end();
  if (!with_ports) return;
  const TimerBounds waits = timer_bounds(kTimeWaitLength, lifecycle.hz());
  ports_ = pressure_.end({waits.min, waits.max}, config_.destinations, false);
  keep_first_of_each(ports_);
  pressure_.end_interval();
  last_ports_ = now;
}

void Metrics::post(Nanos now, const Lifecycle& lifecycle) {
  count_failures(lifecycle);
  walk(now, lifecycle);
  board_.post(std::make_shared<const Page>(page(now, lifecycle)));
  ++pages_;
}

void Metrics::ticked(Nanos now, const Lifecycle& lifecycle) noexcept {
  if (!next_ || now < *next_) return;
  if (!lifecycle.is_whole()) {
    next_ = now + kSoon;
    return;
  }
  post(now, lifecycle);
  next_ = now + std::max(kStep, at_most_per_second(open_, kCheap));
}

void Metrics::finished(Nanos now, const Lifecycle& lifecycle) noexcept {
  next_.reset();
  if (lifecycle.is_whole()) post(now, lifecycle);
}

}  // namespace tcpdwell::exporter
