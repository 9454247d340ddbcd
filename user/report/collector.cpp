// SPDX-License-Identifier: Apache-2.0
#include "report/collector.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "host/service.h"
#include "host/tcp_timeouts.h"
#include "model/kernel_time.h"
#include "sinks/escape.h"
#include "sinks/where_text.h"

namespace tcpdwell::reporting {
namespace {

// Open connections that samples visit per second of the run: some 2 % of a CPU.
constexpr std::uint64_t kVisitsPerSecond = 200'000;
constexpr std::size_t kMostSuspensions = 200;

std::string service_text(std::string_view cgroup) {
  std::string text;
  append_printable(text, service_of(cgroup));
  return text;
}

// How many there are at the end of each bin, from those that came and went in it.
std::vector<std::uint64_t> levels(std::uint64_t before, const std::vector<std::uint64_t>& came,
                                  const std::vector<std::uint64_t>& went) {
  std::vector<std::uint64_t> all;
  std::uint64_t level = before;
  for (std::size_t i = 0; i < came.size(); ++i) {
    level += came[i];
    level -= std::min(level, went[i]);
    all.push_back(level);
  }
  return all;
}

}  // namespace

Collector::Collector(std::size_t most_lives)
    : stats_({}, nowhere_, stats_output_), open_flags_(nowhere_), lives_(most_lives) {}

void Collector::write(const Record& record) noexcept {
  std::visit(Overloaded{[this](const TransitionRecord& transition) { count(transition); },
                        [this](const ConnectionRecord& ended) { count(ended); },
                        [this](const FlagRecord& flag) { count(flag); },
                        [this](const FailedConnectsRecord& failed) { ports_.failed(failed); },
                        [this](const StartRecord& start) {
                          data_.start = start;
                          begin_at(start.when.mono);
                        },
                        [this](const LostRecord& lost) {
                          if (data_.losses.size() < ReportData::kMostLosses)
                            data_.losses.push_back(lost);
                        },
                        [this](const ClockRecord& clock) {
                          if (data_.suspensions.size() < kMostSuspensions)
                            data_.suspensions.push_back(clock);
                        },
                        [this](const EndRecord& end) { data_.totals = end; }},
             record);
  stats_.write(record);
  open_flags_.write(record);
}

void Collector::begin_at(Nanos now) {
  axis_ = TimeAxis(now);
  now_ = {};
  opened_ = closed_ = {};
  ended_ = 0;
  services_.clear();
  lives_.begin_at();
  stuck_.begin_at(axis_);
  ports_ = {};
  data_.edges = {};
  data_.syns = {};
  data_.losses.clear();
  data_.suspensions.clear();
  next_sample_ = now;
  changed_ = true;
  stats_.begin_at(now);
}

void Collector::count(const TransitionRecord& record) {
  changed_ = true;
  const Services::Id service = services_.id_of(record.socket);
  services_.count(service, record);
  lives_.add(service, record);
  ++data_.edges[index(record.from)][index(record.to)];
  if (!record.dwell && record.to != State::Listen) ++opened_.at(axis_, record.when.mono);
  if (record.syns_sent != 0 && record.to == State::Established) {
    const std::size_t sent = std::min<std::size_t>(record.syns_sent, kSynsSent) - 1;
    ++data_.syns[record.from == State::SynSent ? 0 : 1][sent];
  }
}

void Collector::count(const ConnectionRecord& record) {
  changed_ = true;
  ++ended_;
  const Services::Id service = services_.id_of(record.socket);
  services_.count(service, record);
  lives_.add(service, record);
  if (record.socket.role != Role::Listener) ++closed_.at(axis_, record.when.mono);
}

void Collector::count(const FlagRecord& record) {
  changed_ = true;
  lives_.add(services_.id_of(record.socket), record);
  stuck_.add(record, axis_);
}

void Collector::ticked(Nanos now, const Lifecycle& lifecycle) noexcept {
  lives_.ticked(now, lifecycle);
  if (now >= next_sample_ && lifecycle.is_whole()) sample(now, lifecycle);
  stats_.ticked(now, lifecycle);
}

void Collector::finished(Nanos now, const Lifecycle& lifecycle) noexcept {
  changed_ = true;
  sample(now, lifecycle);
  stats_.finished(now, lifecycle);
  lives_.finish(now, lifecycle, services_);
  data_.begin = lifecycle.when(axis_.begin());
  data_.end = lifecycle.when(now);
  data_.watched = lifecycle.watched_states(now);
}

void Collector::sample(Nanos now, const Lifecycle& lifecycle) {
  const std::size_t bin = axis_.bin(now);
  const Nanos walks_apart{static_cast<std::int64_t>(open_ * 1'000'000'000 / kVisitsPerSecond)};
  next_sample_ = std::max(axis_.end_of(bin), now + walks_apart);
  if (!std::exchange(changed_, false)) return;
  Counts counts{};
  open_ = 0;
  ports_.begin(lifecycle.port_ranges(), now);
  lifecycle.for_each_open([&](const OpenConnection& connection) {
    ++open_;
    ++counts[index(connection.state())];
    ports_.see(connection);
  });
  now_.at(axis_, now) = counts;
  const TimerBounds waits = timer_bounds(kTimeWaitLength, lifecycle.hz());
  ports_.end({waits.min, waits.max}, axis_);
}

ReportData Collector::take() {
  ReportData data = std::move(data_);
  data.stats = std::move(stats_output_.total);
  const std::size_t bins = axis_.bin(data.end.mono) + 1;
  add_series(data, bins);
  add_stuck(data, bins);
  data.flagged_lives = lives_.flagged();
  data.lives = lives_.take();
  data.one_of = lives_.one_of();
  data.ended = ended_;
  data.open = open_;
  add_services(data);
  return data;
}

void Collector::add_series(ReportData& data, std::size_t bins) {
  data.series.begin = axis_.begin();
  data.series.step = axis_.step();
  data.series.opened = opened_.values(axis_, bins);
  data.series.closed = closed_.values(axis_, bins);
  Counts last{};
  for (const auto& counts : now_.values(axis_, bins)) {
    if (counts) last = *counts;
    data.series.now.push_back(last);
  }
  data.ports = ports_.take(axis_, bins);
}

void Collector::add_stuck(ReportData& data, std::size_t bins) {
  std::vector<StuckCurve>& curves = stuck_.all();
  std::erase_if(curves, [](const StuckCurve& curve) { return curve.raised == 0; });
  std::sort(curves.begin(), curves.end(), [](const StuckCurve& a, const StuckCurve& b) {
    return std::tuple(b.open != 0, b.most, a.key) < std::tuple(a.open != 0, a.most, b.key);
  });
  absl::flat_hash_map<std::string, std::size_t> places;
  for (StuckCurve& curve : curves) {
    places.emplace(curve.key, places.size());
    const auto left = curve.left.values(axis_, bins);
    data.growth.push_back({.example = curve.example,
                           .service = service_text(curve.cgroup),
                           .raised = curve.raised,
                           .open = curve.open,
                           .most = curve.most,
                           .threshold = curve.threshold,
                           .first_entered = curve.first_entered,
                           .last_raised = curve.last_raised,
                           .last_cleared = curve.last_cleared,
                           .entered = levels(curve.before, curve.entered.values(axis_, bins), left),
                           .past = levels(0, curve.passed.values(axis_, bins), left)});
  }
  const std::vector<FlagRecord>& flags = open_flags_.flags().all();
  for (LeakGroup& leak : group_leaks(flags)) {
    StuckGroup group{
        .text = explain(leak), .where = where_lines(leak), .main_where = main_where_line(leak)};
    group.service = service_text(leak.cgroup);
    group.threshold = flags[leak.members.front()].threshold;
    if (const auto it = places.find(curve_key(leak)); it != places.end()) group.growth = it->second;
    group.group = std::move(leak);
    data.stuck.push_back(std::move(group));
  }
  data.limits.unsure_flags = stuck_.left_out();
}

void Collector::add_services(ReportData& data) const {
  const auto& all = services_.all();
  for (const Service& service : all)
    for (std::size_t i = 0; i < kStates; ++i) {
      StateUse& sum = data.states[i];
      const StateUse& one = service.states[i];
      sum.entered += one.entered;
      sum.left += one.left;
      sum.inexact += one.inexact;
      sum.dwells.merge(one.dwells);
    }
  std::vector<Services::Id> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Services::Id>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](Services::Id a, Services::Id b) { return all[a].busy() > all[b].busy(); });
  data.places.resize(all.size());
  for (std::size_t place = 0; place < order.size(); ++place) {
    data.places[order[place]] = static_cast<Services::Id>(place);
    data.services.push_back(all[order[place]]);
  }
}

}  // namespace tcpdwell::reporting
