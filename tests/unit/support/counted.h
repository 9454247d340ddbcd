// SPDX-License-Identifier: Apache-2.0
// A lifecycle table with Stats as its sink and observer, and the StatsRecords that it writes.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lifecycle/lifecycle.h"
#include "stats/stats.h"
#include "support/events.h"

namespace tcpdwell::test {

class Counted final : private StatsOutput {
 public:
  explicit Counted(const StatsConfig& config = {}, Filter filter = {})
      : filter_(std::move(filter)),
        stats(config, others, *this),
        table(LifecycleConfig{.hz = kHz, .began = kBegan, .thresholds = default_thresholds(60s)},
              filter_, stats) {
    stats.write(StartRecord{.when = {kBegan, {}}});
  }

  void tell(const Event& event) { table.on(event); }
  void wait(Nanos at) {
    table.tick(kBegan + at);
    stats.ticked(kBegan + at, table);
  }
  const StatsRecord& finish(Nanos at) {
    table.finish(kBegan + at);
    stats.finished(kBegan + at, table);
    return records.back();
  }

  TransitionEvent moves(State from, State to, Nanos at, std::uint64_t cookie = 1) const {
    TransitionEvent event{.at = kBegan + at, .object = 0x1000 + cookie, .cookie = cookie};
    event.flow = make_flow(static_cast<std::uint16_t>(40000 + cookie));
    event.from = from;
    event.to = to;
    event.attached = true;
    if (from == State::Closed) event.task = make_process(42);
    return event;
  }
  // A connect() that succeeds after `answered`.
  void connects(std::uint64_t cookie, Nanos at, Nanos answered = 1ms) {
    auto syn = moves(State::Closed, State::SynSent, at, cookie);
    syn.flow.local.port = 0;  // chosen by connect() after this
    tell(syn);
    tell(moves(State::SynSent, State::Established, at + answered, cookie));
  }
  // ... after its SYN was sent so often.
  void connects_slowly(std::uint64_t cookie, Nanos at, std::uint8_t syns_sent) {
    tell(moves(State::Closed, State::SynSent, at, cookie));
    auto established = moves(State::SynSent, State::Established, at + 1s, cookie);
    established.syns_sent = syns_sent;
    tell(established);
  }
  // A walk finds a listener's queue with `length` connections, and a backlog of 2.
  void finds_queue(std::uint64_t listener, std::uint32_t length, Nanos at) {
    ListenQueue queue;
    queue.cookie = listener;
    queue.flow = make_flow(80, 0);
    queue.length = length;
    queue.backlog = 2;
    queue.syns_dropped = length;
    AcceptQueuesEvent walk{.at = kBegan + at};
    walk.queues.push_back(queue);
    tell(walk);
  }
  // connect() fails with EADDRNOTAVAIL.
  void finds_no_port(std::uint64_t cookie, std::uint16_t remote_port, Nanos at) {
    auto syn = moves(State::Closed, State::SynSent, at, cookie);
    auto back = moves(State::SynSent, State::Closed, at + 20us, cookie);
    for (Flow* flow : {&syn.flow, &back.flow}) {
      flow->local.port = 0;
      flow->remote.port = remote_port;
    }
    tell(syn);
    tell(back);
  }
  TimewaitEvent minisock(TimerOp op, Nanos at, std::uint64_t cookie = 1) const {
    TimewaitEvent event{.at = kBegan + at, .op = op, .object = 0x9000 + cookie, .cookie = cookie};
    event.flow = make_flow(static_cast<std::uint16_t>(40000 + cookie));
    return event;
  }
  // Goes from ESTABLISHED to TIME_WAIT within 2 ms.
  void closes(std::uint64_t cookie, Nanos at) {
    tell(moves(State::Established, State::FinWait1, at, cookie));
    tell(moves(State::FinWait1, State::FinWait2, at + 1ms, cookie));
    tell(minisock(TimerOp::Start, at + 2ms, cookie));
    auto gone = moves(State::FinWait2, State::Closed, at + 2ms, cookie);
    gone.dead = true;
    tell(gone);
  }
  // A timer event of a request sock.
  RequestEvent request(TimerOp op, Nanos at, std::uint64_t object = 0x8000) const {
    RequestEvent event{.at = kBegan + at, .op = op, .object = object};
    event.flow = make_flow(80, static_cast<std::uint16_t>(object));
    return event;
  }
  void port_range(std::uint16_t low, std::uint16_t high, std::uint32_t reserved = 0) {
    tell(NamespaceEvent{.at = kBegan,
                        .netns_cookie = 1,
                        .port_low = low,
                        .port_high = high,
                        .reserved_ports = reserved,
                        .tw_reuse = std::uint8_t{0}});
  }

  const StatsRow& row(State state) const {
    static const StatsRow kNone;
    for (const StatsRow& row : records.back().rows)
      if (row.state == state) return row;
    ADD_FAILURE() << "no row of " << name(state);
    return kNone;
  }
  // "ESTABLISHED 2": the open connections of each state that has some.
  std::string now() const {
    std::string text;
    for (const StatsRow& row : records.back().rows)
      if (row.now != 0)
        text += (text.empty() ? "" : ", ") + std::string(name(row.state)) + ' ' +
                std::to_string(row.now);
    return text;
  }

 private:
  void write(const StatsRecord& record) noexcept override { records.push_back(record); }
  Filter filter_;

 public:
  Said others;
  std::vector<StatsRecord> records;
  Stats stats;
  Lifecycle table;
};

}  // namespace tcpdwell::test
