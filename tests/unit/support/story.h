// SPDX-License-Identifier: Apache-2.0
// Feeds synthetic events into a lifecycle table and keeps its records.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "lifecycle/lifecycle.h"

namespace tcpdwell::test {

using namespace std::chrono_literals;

inline constexpr Nanos kBegan = 1000s;
inline constexpr unsigned kHz = 250;

inline Flow make_flow(std::uint16_t local = 40000, std::uint16_t remote = 80) {
  Flow flow;
  flow.local.addr = {10, 0, 0, 1};
  flow.remote.addr = {10, 0, 0, 2};
  flow.local.port = local;
  flow.remote.port = remote;
  flow.netns_cookie = 1;
  flow.netns = 4026531840;
  return flow;
}

inline Process make_process(std::uint32_t pid, const char* comm = "app") {
  Process process{.pid = pid, .uid = 1000, .cgroup_id = 7};
  std::strncpy(process.comm.data(), comm, process.comm.size());
  return process;
}

// Keeps all records of the table, in order.
class Said final : public Sink {
 public:
  void write(const Record& record) noexcept override { records.push_back(record); }
  template <typename T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Record& record : records)
      if (const T* wanted = std::get_if<T>(&record)) found.push_back(*wanted);
    return found;
  }
  std::vector<Record> records;
};

// Times are relative to the start of the trace.
class Story {
 public:
  explicit Story(Filter filter = {}, LifecycleConfig config = {.hz = kHz, .began = kBegan})
      : filter_(std::move(filter)), table(config, filter_, said) {}

  // A transition of a full socket; change what differs before tell().
  TransitionEvent moves(State from, State to, Nanos at, std::uint64_t cookie = 1) const {
    TransitionEvent event{.at = kBegan + at, .object = 0x1000 + cookie, .cookie = cookie};
    event.flow = make_flow();
    event.from = from;
    event.to = to;
    event.attached = true;
    if (from == State::Closed) event.task = make_process(42);
    if (to == State::Closed) event.tally = Tally{.bytes_sent = 5, .bytes_received = 7};
    return event;
  }
  TimewaitEvent timer(TimerOp op, State substate, Nanos at, std::uint64_t cookie = 1,
                      std::uint64_t object = 0x9000) const {
    TimewaitEvent event{.at = kBegan + at, .op = op, .object = object, .cookie = cookie};
    event.flow = make_flow();
    event.substate = substate;
    event.left_jiffies = op == TimerOp::Expire ? 0 : 15000;
    return event;
  }
  RequestEvent request(TimerOp op, Nanos at, std::uint64_t object = 0x8000) const {
    RequestEvent event{.at = kBegan + at, .op = op, .object = object};
    event.flow = make_flow(80, 40000);
    return event;
  }

  Story& tell(const Event& event) {
    table.on(event);
    return *this;
  }
  Story& wait(Nanos at) {
    table.tick(kBegan + at);
    return *this;
  }
  // Like wait(); all the table's questions are answered with Gone.
  Story& wait_and_all_is_gone(Nanos at) {
    wait(at);
    for (const Question& question : table.take_questions())
      tell(InquiryEvent{.at = kBegan + at,
                        .id = question.id,
                        .generation = question.generation,
                        .serial = question.serial,
                        .presence = Presence::Gone,
                        .local = {},
                        .holders = {}});
    return *this;
  }
  // connect(), established at 1 ms.
  Story& connects(std::uint64_t cookie = 1) {
    tell(moves(State::Closed, State::SynSent, 0ms, cookie));
    return tell(moves(State::SynSent, State::Established, 1ms, cookie));
  }
  // The same; closed at 101 ms, the FIN acknowledged at 102 ms.
  Story& closes_first(std::uint64_t cookie = 1) {
    connects(cookie);
    auto close = moves(State::Established, State::FinWait1, 101ms, cookie);
    close.task = make_process(42);
    close.closing = true;
    close.shutdown = 3;
    tell(close);
    return tell(moves(State::FinWait1, State::FinWait2, 102ms, cookie));
  }
  // A minisock replaces the full socket: its timer starts, then the full socket goes to CLOSED.
  Story& hands_over(State substate, Nanos at, std::uint64_t cookie = 1) {
    tell(timer(TimerOp::Start, substate, at, cookie));
    auto gone = moves(State::FinWait2, State::Closed, at, cookie);
    gone.dead = true;
    return tell(gone);
  }

  // "CLOSED SYN_SENT ESTABLISHED": the states of all transitions, which must form one chain.
  std::string path() const {
    std::string text;
    for (const auto& transition : said.all<TransitionRecord>()) {
      if (text.empty())
        text = name(transition.from);
      else
        EXPECT_TRUE(text.ends_with(name(transition.from))) << text << ": the chain is broken";
      text += ' ';
      text += name(transition.to);
    }
    return text;
  }
  ConnectionRecord connection() const {
    const auto all = said.all<ConnectionRecord>();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? ConnectionRecord{} : all.back();
  }
  Dwell dwell(State state) const {
    const auto found = connection().dwell[index(state)];
    EXPECT_TRUE(found) << name(state) << " was not entered";
    return found.value_or(Dwell{});
  }

 private:
  Filter filter_;

 public:
  Said said;
  Lifecycle table;
};

}  // namespace tcpdwell::test
