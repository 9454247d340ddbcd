// SPDX-License-Identifier: Apache-2.0
#include "top/model.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <utility>

#include "host/tcp_timeouts.h"
#include "model/kernel_time.h"
#include "sinks/stats_text.h"

namespace tcpdwell::top {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kHistory = 5min;
constexpr Nanos kHistoryStep = 1s;
constexpr Nanos kRestingStep = 15s;  // while nobody looks
constexpr Nanos kPortsStep = 5s;     // counting ports costs five times as much as the rest
constexpr Nanos kFailedShown = 60s;  // how long failed connect() calls are shown
constexpr std::size_t kPorts = 50;   // destinations
// The pause after a look, and after one that counts ports, as multiples of their CPU time: 0.5 %
// and 0.3 % of one CPU.
constexpr std::int64_t kPauseOfLook = 200, kPauseOfPorts = 333;

// Puts `now` into the order of `before`, by `key_of`; what is new comes last.
template <typename T, typename KeyOf>
void put_in_order(std::vector<T>& now, const std::vector<T>& before, KeyOf&& key) {
  absl::flat_hash_map<std::decay_t<decltype(key(now.front()))>, std::size_t> places;
  for (const T& each : before) places.emplace(key(each), places.size());
  const auto place = [&](const T& each) {
    const auto it = places.find(key(each));
    return it == places.end() ? places.size() : it->second;
  };
  std::stable_sort(now.begin(), now.end(),
                   [&](const T& a, const T& b) { return place(a) < place(b); });
}

}  // namespace

void Model::write(const Record& record) noexcept {
  std::visit(Overloaded{[this](const FlagRecord& flag) { stuck_.add(flag); },
                        [this](const FailedConnectsRecord& failed) {
                          ports_.failed(failed);
                          FailedConnectsRecord anywhere = failed;
                          anywhere.one_destination = false;
                          anywhere.flow = {};
                          failed_.add(anywhere);
                        },
                        [this](const StartRecord& start) { began_ = start.when; },
                        [this](const LostRecord& lost) { look_.lost += lost.events; },
                        [](const TransitionRecord&) {}, [](const ConnectionRecord&) {},
                        [](const ClockRecord&) {}, [](const EndRecord&) {}},
             record);
}

void Model::ticked(Nanos now, const Lifecycle& lifecycle) noexcept {
  lifecycle_ = &lifecycle;
  now_ = now;
  if (next_ && now < *next_) return;
  if (now >= next_ports_) count_ports();
  walk();
}

void Model::finished(Nanos now, const Lifecycle& lifecycle) noexcept {
  lifecycle_ = &lifecycle;
  now_ = now;
  if (!resting_) {
    count_ports();
    walk();
  }
  next_.reset();
}

void Model::ask(Question question) {
  if (question.watched != question_.watched) look_.detail.reset();
  question_ = std::move(question);
  look_now();
}

void Model::look_now() {
  if (lifecycle_ == nullptr) return;
  if (next_ports_ == Nanos{}) count_ports();
  walk();
}

void Model::remember(const Counts& counts) {
  if (!history_.empty() && now_ - history_.back().at < kHistoryStep) return;
  history_.push_back({now_, counts});
  const auto old = std::find_if(history_.begin(), history_.end(),
                                [&](const Sample& s) { return now_ - s.at <= kHistory; });
  history_.erase(history_.begin(), old);
}

// The pause after what began at the CPU time `began`.
Nanos Model::pause(Nanos began, std::int64_t multiple, Nanos least) const {
  if (resting_) return kRestingStep;
  return cpu_time_ != nullptr ? std::max(least, (cpu_time_() - began) * multiple) : least;
}

void Model::count_ports() {
  const Nanos began = cpu_time_ != nullptr ? cpu_time_() : Nanos{};
  ports_.begin(lifecycle_->port_ranges(), now_);
  lifecycle_->for_each_open([&](const OpenConnection& connection) { ports_.see(connection); });
  const TimerBounds waits = timer_bounds(kTimeWaitLength, lifecycle_->hz());
  auto ports = ports_.end({waits.min, waits.max}, kPorts, false);
  if (!frozen_) {
    look_.most_used = ports.empty() ? std::nullopt : std::optional(ports.front());
    std::erase_if(ports, [](const PortUse& use) { return !is_noteworthy(use); });
    if (question_.keep_order)
      put_in_order(ports, look_.ports, [](const PortUse& use) { return key_of(use); });
    look_.ports = std::move(ports);
  }
  next_ports_ = now_ + pause(began, kPauseOfPorts, kPortsStep);
}

void Model::walk() {
  const Nanos began = cpu_time_ != nullptr ? cpu_time_() : Nanos{};
  Walk walk(question_.query, listening_, now_);
  lifecycle_->for_each_open([&](const OpenConnection& connection) { walk.see(connection); });
  remember(walk.counts());
  if (now_ - failed_since_ >= kFailedShown) {
    ports_.end_interval();
    failed_.clear();
    failed_since_ = now_;
  }
  if (!frozen_ && !resting_) show(walk);
  next_ = now_ + pause(began, kPauseOfLook, interval_);
}

void Model::show(Walk& walk) {
  Look before = std::move(look_);
  look_ = {.when = lifecycle_->when(now_),
           .whole = lifecycle_->is_whole(),
           .history = history_,
           .lost = before.lost,
           .evicted = lifecycle_->evicted(),
           .unseen = lifecycle_->unseen(),
           .ports = std::move(before.ports),
           .most_used = std::move(before.most_used),
           .connects_failed = failed_.all(),
           .detail = std::move(before.detail)};
  walk.finish(*lifecycle_, look_);
  listening_ = walk.take_listening();
  stuck_.show(now_, question_.query.match, look_);
  if (question_.keep_order) keep_order(before);
  show_detail();
  ++looks_;
}

// Connections that the walk did not choose again are still open: they keep their lines.
void Model::keep_order(const Look& before) {
  put_in_order(look_.stuck, before.stuck, [](const Stuck& stuck) { return stuck.group.key; });
  put_in_order(look_.sums, before.sums, [](const Sum& sum) { return sum.key; });
  absl::flat_hash_map<std::uint64_t, std::size_t> chosen;
  for (const Row& row : look_.rows) chosen.emplace(row.key, chosen.size());
  std::vector<Row> rows;
  for (const Row& row : before.rows) {
    if (const auto it = chosen.find(row.key); it != chosen.end()) {
      rows.push_back(std::move(look_.rows[it->second]));
      chosen.erase(it);
    } else if (const auto open = lifecycle_->find_open(row.key);
               open && question_.query.match.passes(*open, now_)) {
      rows.push_back(row_of(*open, now_));
    }
  }
  for (Row& row : look_.rows)
    if (chosen.contains(row.key) && rows.size() < Walk::kRows) rows.push_back(std::move(row));
  look_.rows = std::move(rows);
}

std::optional<OpenConnection> Model::find_watched(const Watched& watched, Detail& detail) const {
  if (watched.connection) return lifecycle_->find_open(*watched.connection);
  stuck_.describe(now_, watched.flag, detail);
  if (detail.flag) {
    detail.socket = detail.flag->socket;
    detail.cgroup = detail.flag_cgroup;
  }
  return lifecycle_->find_open_cookie(detail.socket.cookie);
}

void Model::show_detail() {
  if (!question_.watched) {
    look_.detail.reset();
    return;
  }
  const Watched& watched = *question_.watched;
  const bool is_new = !look_.detail;
  if (is_new) look_.detail.emplace();
  Detail& detail = *look_.detail;
  const auto open = find_watched(watched, detail);
  if (!open) {
    // A socket of flag CLOSED is over, but its descriptor is still there.
    detail.open = detail.flag.has_value() && !watched.connection;
    if (detail.open) {
      detail.state = detail.flag->state;
      detail.age = detail.flag->dwell;
      detail.at_most = detail.flag->at_most;
    } else if (is_new) {
      look_.detail.reset();  // nothing is known about it
    }
    return;
  }
  detail.open = true;
  detail.socket = open->socket();
  detail.socket.cgroup = {};
  if (const std::string* cgroup = open->cgroup()) detail.cgroup = *cgroup;
  detail.state = open->state();
  detail.age = open->age(now_);
  detail.at_most = open->age_at_most(now_);
  detail.times = open->times();
  detail.opened_by = open->opened_by();
  if (watched.connection) stuck_.describe(now_, {}, detail);
}

}  // namespace tcpdwell::top
