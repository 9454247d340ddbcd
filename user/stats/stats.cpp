// SPDX-License-Identifier: Apache-2.0
#include "stats/stats.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "host/tcp_timeouts.h"
#include "model/dwell_order.h"
#include "model/kernel_time.h"
#include "stats/exact.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kSoon = 20ms;

DwellSpread spread_of(const Histogram& dwells) {
  return {.count = dwells.count(),
          .min = dwells.min(),
          .p50 = dwells.percentile(0.5),
          .p90 = dwells.percentile(0.9),
          .p99 = dwells.percentile(0.99),
          .max = dwells.max()};
}

const StateCounters& counters_of(const Group& group, std::size_t state, bool total) {
  return total ? group.total[state] : group.interval[state];
}

StatsRow row_of(const Group& group, State state, bool total, bool buckets) {
  const std::size_t i = index(state);
  const StateCounters& counters = counters_of(group, i, total);
  return {.key = std::nullopt,
          .state = state,
          .entered = counters.entered,
          .left = counters.left,
          .now = group.now[i],
          .flagged = group.flagged[i] + counters.cleared,
          .inexact = counters.inexact,
          .dwell = spread_of(counters.dwells),
          .buckets = buckets ? std::optional(counters.dwells.buckets()) : std::nullopt};
}

bool says_something(const StatsRow& row) {
  return row.entered + row.left + row.now + row.flagged != 0;
}

}  // namespace

bool Stats::wants(State state) const {
  return config_.states.none() || config_.states.test(index(state));
}

void Stats::write(const Record& record) noexcept {
  std::visit(Overloaded{[this](const TransitionRecord& transition) { count(transition); },
                        [this](const FlagRecord& flag) { count(flag); },
                        [this](const FailedConnectsRecord& failed) { count(failed); },
                        [this](const ConnectionRecord& ended) { count(ended); },
                        [&](const StartRecord& start) {
                          begin_at(start.when.mono);
                          others_.write(record);
                        },
                        [&](const LostRecord&) { others_.write(record); },
                        [&](const ClockRecord&) { others_.write(record); },
                        [&](const EndRecord&) { others_.write(record); }},
             record);
}

void Stats::begin_at(Nanos now) {
  began_ = last_ = now;
  next_ = began_ + config_.interval;
  groups_ = {};
  ports_ = {};
  failed_now_.clear();
  failed_ever_.clear();
  full_queues_ = {};
  retransmitted_now_ = retransmitted_ever_ = 0;
}

// Each state that the connection was in: entered and left, in the interval of its end.
void Stats::count(const ConnectionRecord& record) {
  if (!counts_ends()) return;
  Group& group = groups_.at(key_.of(record));
  for (const State state : kDwellOrder) {
    const auto& dwell = record.dwell[index(state)];
    if (!dwell || !wants(state)) continue;
    StateCounters& counters = group.interval[index(state)];
    ++counters.entered;
    ++counters.left;
    if (is_exact(*dwell))
      counters.dwells.add(dwell->value);
    else
      ++counters.inexact;
  }
}

// The first transition of a connection has no dwell: a child does not leave LISTEN, and a client
// does not leave CLOSED.
void Stats::count(const TransitionRecord& record) {
  if (counts_ends()) return;
  Group& group = groups_.at(key_.of(record.socket));
  if (record.dwell && wants(record.from)) {
    StateCounters& counters = group.interval[index(record.from)];
    ++counters.left;
    if (is_exact(*record.dwell))
      counters.dwells.add(record.dwell->value);
    else
      ++counters.inexact;
    if (record.retransmitted()) {
      ++retransmitted_now_;
      ++retransmitted_ever_;
    }
  }
  if (record.to != State::Closed && wants(record.to)) ++group.interval[index(record.to)].entered;
}

// Counts cleared flags only: the next walk finds the flags that are still raised.
void Stats::count(const FlagRecord& record) {
  if (counts_ends() || record.raised || record.kind != FlagKind::State || !wants(record.state))
    return;
  ++groups_.at(key_.of(record.socket)).interval[index(record.state)].cleared;
}

// `ports_` counts failures by destination. Here they are counted by process, for all destinations.
void Stats::count(const FailedConnectsRecord& record) {
  ports_.failed(record);
  FailedConnectsRecord anywhere = record;
  anywhere.one_destination = false;
  anywhere.flow = {};
  for (FailedConnects* failed : {&failed_now_, &failed_ever_}) failed->add(anywhere);
}

void Stats::walk(Nanos now, const Lifecycle& lifecycle) {
  groups_.begin_walk();
  ports_.begin(lifecycle.port_ranges(), now);
  lifecycle.for_each_open([this](const OpenConnection& connection) {
    ports_.see(connection);
    if (!wants(connection.state())) return;
    Group& group = groups_.at_walk(key_.of(connection));
    ++group.now[index(connection.state())];
    if (connection.flagged()) ++group.flagged[index(connection.state())];
  });
}

void Stats::ticked(Nanos now, const Lifecycle& lifecycle) noexcept {
  full_queues_.see(lifecycle.full_queues());
  if (!next_ || now < *next_) return;
  if (!lifecycle.is_whole()) {
    next_ = now + kSoon;
    return;
  }
  out_.write(record(now, lifecycle, false));
  groups_.end_interval();
  ports_.end_interval();
  full_queues_.end_interval();
  failed_now_.clear();
  retransmitted_now_ = 0;
  ++intervals_;
  last_ = now;
  next_ = began_ + ((now - began_) / config_.interval + 1) * config_.interval;
}

void Stats::finished(Nanos now, const Lifecycle& lifecycle) noexcept {
  full_queues_.see(lifecycle.full_queues());
  groups_.end_interval();
  next_.reset();
  out_.write(record(now, lifecycle, true));
}

StatsRecord Stats::record(Nanos now, const Lifecycle& lifecycle, bool total) {
  walk(now, lifecycle);
  const TimerBounds waits = timer_bounds(kTimeWaitLength, lifecycle.hz());
  StatsRecord record{.when = lifecycle.when(now),
                     .interval = now - (total ? began_ : last_),
                     .by = config_.by,
                     .total = total,
                     .open = lifecycle.open(),
                     .rows = rows(total),
                     .ports = ports_.end({waits.min, waits.max}, config_.rows, total),
                     .connects_failed = (total ? failed_ever_ : failed_now_).all()};
  if (counts_handshakes())
    record.handshakes_retransmitted = total ? retransmitted_ever_ : retransmitted_now_;
  record.accept_queues_full = full_queues_.all(config_.rows, total);
  if (config_.histogram)
    record.histogram.emplace(*config_.histogram, distribution(*config_.histogram, total));
  return record;
}

std::vector<StatsRow> Stats::rows(bool total) const {
  std::vector<StatsRow> rows;
  if (config_.by == GroupBy::State) {
    Group none;
    const Group* all = &none;
    groups_.for_each([&](std::string_view, const Group& group) { all = &group; });
    for (const State state : kDwellOrder)
      if (wants(state)) {
        rows.push_back(row_of(*all, state, total, config_.buckets));
        rows.back().key = name(state);
      }
    return rows;
  }
  std::vector<std::tuple<std::uint64_t, std::string_view, const Group*>> order;
  groups_.for_each([&](std::string_view key, const Group& group) {
    const std::uint64_t busy = total ? group.busy_ever() : group.busy_now();
    if (busy != 0) order.emplace_back(~busy, key, &group);
  });
  std::sort(order.begin(), order.end());
  const auto add = [&](const Group& group, std::optional<std::string> key, bool other) {
    for (const State state : kDwellOrder) {
      StatsRow row = row_of(group, state, total, config_.buckets);
      row.key = key;
      row.other = other;
      if (wants(state) && says_something(row)) rows.push_back(std::move(row));
    }
  };
  Group other;
  other.merge(groups_.other());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& [busy, key, group] = order[i];
    if (i < config_.rows)
      add(*group, text_of(config_.by, key), false);
    else
      other.merge(*group);
  }
  add(other, "other", true);
  return rows;
}

Histogram Stats::distribution(State state, bool total) const {
  Histogram all;
  const auto add = [&](const Group& group) {
    all.merge(counters_of(group, index(state), total).dwells);
  };
  groups_.for_each([&](std::string_view, const Group& group) { add(group); });
  add(groups_.other());
  return all;
}

}  // namespace tcpdwell
