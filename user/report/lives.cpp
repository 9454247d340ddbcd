// SPDX-License-Identifier: Apache-2.0
#include "report/lives.h"

#include <algorithm>
#include <utility>

#include "model/dwell_order.h"
#include "sinks/text_format.h"
#include "sinks/where_text.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kLongestWhere = 200;
constexpr std::size_t kMostMarks = 8;  // of a life

// The finalizer of MurmurHash3: the same on every machine, unlike absl's.
std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 33U;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33U;
  value *= 0xc4ceb9fe1a85ec53ULL;
  return value ^ value >> 33U;
}

std::uint64_t hash_of(const Endpoint& end) {
  std::uint64_t hash = end.port;
  for (const std::uint8_t byte : end.addr) hash = mix(hash ^ byte);
  return hash;
}

void learn(Life& life, const SocketInfo& socket, Services::Id service) {
  life.flow = socket.flow;
  life.role = socket.role;
  life.service = service;
  if (socket.owner) life.owner = socket.owner;
}

// The states that it has left, in the order of a life, up to `until`.
std::vector<Span> spans_before(const std::array<StateTime, kStates>& times, Nanos until) {
  std::vector<Span> spans;
  Nanos end = until;
  for (auto state = kDwellOrder.rbegin(); state != kDwellOrder.rend(); ++state) {
    const StateTime& time = times[index(*state)];
    if (!time.visited) continue;
    spans.push_back({.state = *state,
                     .begin = end - time.total,
                     .end = end,
                     .error = time.lower_bound ? std::nullopt : std::optional(time.error)});
    end = spans.back().begin;
  }
  std::reverse(spans.begin(), spans.end());
  return spans;
}

std::vector<Span> spans_of(const OpenConnection& connection, Nanos now) {
  const Dwell age = connection.age(now);
  const Nanos entered = now - age.value;
  std::vector<Span> spans = spans_before(connection.times(), entered);
  spans.push_back({.state = connection.state(), .begin = entered, .end = now, .error = age.error});
  return spans;
}

std::string holders_text(const FlagRecord& flag) {
  if (flag.holders.empty()) return "";
  const Holder& first = flag.holders.front();
  std::string text = format_process(first.process) + " fd " + std::to_string(first.fd);
  if (flag.holders.size() > 1) text += " and " + std::to_string(flag.holders.size() - 1) + " more";
  return text;
}

std::string where_text(const FlagRecord& flag) {
  return main_where_line(group_of(flag)).substr(0, kLongestWhere);
}

}  // namespace

Lives::Key Lives::key_of(const SocketInfo& socket) {
  if (socket.cookie != 0) return {socket.cookie, socket.life};
  const Flow& flow = socket.flow;
  return {mix(hash_of(flow.local) ^ mix(hash_of(flow.remote)) ^ flow.netns) | 1ULL << 63U,
          socket.life};
}

Life* Lives::find(const SocketInfo& socket) {
  const auto it = lives_.find(key_of(socket));
  return it == lives_.end() ? nullptr : &it->second;
}

Life& Lives::create(const Key& key, const SocketInfo& socket, Services::Id service,
                    std::uint64_t order) {
  Life& life = lives_[key];
  life.cookie = socket.cookie;
  life.number = socket.life;
  life.order = order;
  learn(life, socket, service);
  return life;
}

Life* Lives::find_or_choose(const SocketInfo& socket, Services::Id service) {
  if (Life* life = find(socket)) {
    learn(*life, socket, service);
    return life;
  }
  const Key key = key_of(socket);
  const std::uint64_t order = mix(key.id ^ mix(key.life + 1));
  if (order > limit_) return nullptr;
  if (unflagged_ >= most_) {
    thin_out();
    if (order > limit_) return nullptr;
  }
  ++unflagged_;
  return &create(key, socket, service, order);
}

void Lives::thin_out() {
  while (unflagged_ >= most_ && limit_ != 0) {
    limit_ /= 2;
    absl::erase_if(lives_, [this](const auto& entry) {
      const bool drop = entry.second.marks.empty() && entry.second.order > limit_;
      unflagged_ -= drop ? 1 : 0;
      return drop;
    });
  }
}

void Lives::add(Services::Id service, const TransitionRecord& record) {
  Life* life = find_or_choose(record.socket, service);
  if (life == nullptr) return;
  std::vector<Span>& spans = life->spans;
  const Nanos at = record.when.mono;
  if (record.dwell) {
    if (spans.empty() || spans.back().state != record.from)
      spans.push_back({.state = record.from, .why = Why::Unknown});
    Span& left = spans.back();
    left.begin = at - record.dwell->value;
    left.end = at;
    left.error = record.dwell->error;
  }
  if (record.syns_sent != 0) life->syns_sent = record.syns_sent;
  life->closed = record.to == State::Closed;
  if (!life->closed)
    spans.push_back({.state = record.to, .why = record.why, .begin = at, .end = at});
}

void Lives::add(Services::Id service, const ConnectionRecord& record) {
  Life* life = find_or_choose(record.socket, service);
  if (life == nullptr) return;
  life->over = true;
  life->ended = record.ended;
  life->opened_by = record.opened_by;
  life->closed_by = record.closed_by;
  life->time_wait_ended = record.time_wait_ended;
  life->closer = record.closer;
  life->tally = record.tally;
}

void Lives::add(Services::Id service, const FlagRecord& record) {
  Life* life = find(record.socket);
  if (!record.raised) {
    if (life == nullptr) return;
    for (Mark& mark : life->marks)
      if (mark.cleared == Nanos{0} && mark.kind == record.kind &&
          (mark.kind == FlagKind::Accept || mark.state == record.state))
        mark.cleared = record.when.mono;
    return;
  }
  if (life == nullptr || life->marks.empty()) ++flagged_;
  if (life == nullptr) {
    if (lives_.size() - unflagged_ >= most_) return;
    const Key key = key_of(record.socket);
    life = &create(key, record.socket, service, 0);
    incomplete_.push_back(key);
  } else if (life->marks.empty()) {
    --unflagged_;
  }
  if (life->marks.size() >= kMostMarks) return;
  if (life->spans.empty() && record.kind == FlagKind::State)
    life->spans.push_back({.state = record.state,
                           .begin = record.when.mono - record.dwell.value,
                           .end = record.when.mono,
                           .error = record.dwell.error});
  life->marks.push_back({.kind = record.kind,
                         .state = record.state,
                         .cause = record.cause,
                         .raised = record.when.mono,
                         .threshold = record.threshold,
                         .since = record.when.mono - record.dwell.value,
                         .holders = holders_text(record),
                         .where = where_text(record)});
}

// A connection that was not in the sample before its flag has its transitions since; the table has
// what came before.
void Lives::ticked(Nanos now, const Lifecycle& lifecycle) {
  for (const Key& key : incomplete_) {
    const auto it = lives_.find(key);
    if (it == lives_.end() || it->second.over) continue;
    const auto open = lifecycle.find_open_cookie(it->second.cookie);
    if (open && open->socket().life == it->second.number) it->second.spans = spans_of(*open, now);
  }
  incomplete_.clear();
}

void Lives::finish(Nanos now, const Lifecycle& lifecycle, Services& services) {
  ticked(now, lifecycle);
  // What the table goes through after the end of the report is not in it.
  if (lifecycle.evicted() == 0)
    for (auto& entry : lives_)
      if (Life& life = entry.second; !life.closed && !life.over && !life.spans.empty())
        life.spans.back().end = now;
  lifecycle.for_each_open([&](const OpenConnection& connection) {
    SocketInfo socket = connection.socket();
    const std::string* cgroup = connection.cgroup();
    const Services::Id service = services.id_of(socket.flow, socket.role, connection.owner(),
                                                cgroup != nullptr ? *cgroup : "");
    Life* life = find_or_choose(socket, service);
    if (life == nullptr) return;
    life->opened_by = connection.opened_by();
    if (life->spans.empty())
      life->spans = spans_of(connection, now);
    else if (life->spans.back().state == connection.state())
      life->spans.back().end = now;
    else
      return;  // it has moved on after the end of the report
    if (connection.age(now).error != Nanos{0}) {
      life->spans.back().begin = now - connection.age(now).value;
      life->spans.back().error = connection.age(now).error;
    }
  });
  // A descriptor whose connection is over.
  for (auto& [key, life] : lives_)
    for (const Mark& mark : life.marks)
      if (mark.kind == FlagKind::State && mark.state == State::Closed) {
        const Nanos until = mark.cleared != Nanos{0} ? mark.cleared : now;
        if (life.spans.empty() || life.spans.back().state != State::Closed)
          life.spans.push_back({.state = State::Closed, .begin = mark.since});
        life.spans.back().end = until;
      }
}

void Lives::begin_at() {
  absl::erase_if(lives_, [](const auto& entry) {
    const Life& life = entry.second;
    return life.over && std::none_of(life.marks.begin(), life.marks.end(),
                                     [](const Mark& mark) { return mark.cleared == Nanos{0}; });
  });
  unflagged_ = flagged_ = 0;
  for (const auto& entry : lives_) ++(entry.second.marks.empty() ? unflagged_ : flagged_);
}

std::vector<Life> Lives::take() {
  std::vector<Life> all;
  all.reserve(lives_.size());
  for (auto& entry : lives_)
    if (!entry.second.spans.empty()) all.push_back(std::move(entry.second));
  lives_.clear();
  const auto oldest_first = [](const Life& a, const Life& b) {
    return std::tuple(a.begin(), a.cookie, a.number, a.flow.local.port, a.flow.remote.port) <
           std::tuple(b.begin(), b.cookie, b.number, b.flow.local.port, b.flow.remote.port);
  };
  const auto is_flagged = [](const Life& life) { return !life.marks.empty(); };
  const auto others = std::stable_partition(all.begin(), all.end(), is_flagged);
  std::sort(all.begin(), others, oldest_first);
  std::sort(others, all.end(), [](const Life& a, const Life& b) {
    return std::tuple(a.order, a.begin()) < std::tuple(b.order, b.begin());
  });
  if (all.size() > most_) {
    if (others - all.begin() < static_cast<std::ptrdiff_t>(most_))
      limit_ = std::min(limit_, all[most_ - 1].order);
    all.resize(most_);
  }
  return all;
}

double one_of_hash(std::uint64_t order) {
  return static_cast<double>(~std::uint64_t{0}) /
         static_cast<double>(std::max<std::uint64_t>(order, 1));
}

}  // namespace tcpdwell::reporting
