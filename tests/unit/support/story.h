// SPDX-License-Identifier: Apache-2.0
// For the tests of Lifecycle: synthetic events go in, records come out. Connections that send the
// events of whole lives are in conn.h.
#pragma once

#include "support/events.h"
#include "support/life_facts.h"

namespace tcpdwell::life_story {

class Conn;

class Story final : private Sink {
 public:
  // `config.began` is set here.
  explicit Story(LifecycleConfig config = {}, Filter filter = {}, Nanos began = kBegan)
      : began_(began),
        hz_(config.hz),
        filter_(std::move(filter)),
        lifecycle_(started(config, began), filter_, *this) {}

  Conn client(std::uint64_t cookie);
  Conn server(std::uint64_t cookie);
  Conn listener(std::uint64_t cookie);

  Nanos clock(Nanos at) const { return began_ + at; }
  // The kernel's 32-bit milliseconds of CLOCK_MONOTONIC
  std::uint32_t stamp(Nanos at) const {
    return static_cast<std::uint32_t>(clock(at) / std::chrono::milliseconds(1));
  }
  Story& on(const Event& event) { return lifecycle_.on(event), *this; }
  // No event until `at`.
  Story& waits(Nanos at) { return lifecycle_.tick(clock(at)), *this; }
  // ... and every connection that the kernel is asked about by then is gone.
  Story& waits_and_all_is_gone(Nanos at) {
    waits(at);
    for (const Question& question : lifecycle_.take_questions())
      on(InquiryEvent{.at = clock(at),
                      .id = question.id,
                      .generation = question.generation,
                      .serial = question.serial,
                      .presence = Presence::Gone,
                      .local = {},
                      .holders = {}});
    return *this;
  }
  void finishes(Nanos at) { lifecycle_.finish(clock(at)); }
  void loses(std::uint64_t events, Nanos at) {
    on(LossEvent{.at = clock(at), .events = events, .transitions = events});
  }
  void names_cgroup(std::uint64_t id, std::string path, Nanos at) {
    on(CgroupEvent{clock(at), id, std::move(path)});
  }
  // Any event of that CPU.
  void hears_of_cpu(std::uint32_t cpu, Nanos at) {
    on(ResetEvent{.at = clock(at), .cpu = cpu, .cookie = 0xdead, .state = Established});
  }

  Life life(std::uint64_t cookie, std::uint32_t number = 0) const {
    return select(
        [&](const SocketInfo& socket) { return socket.cookie == cookie && socket.life == number; });
  }
  // Of connections without a cookie.
  Life life_from(std::uint16_t remote_port) const {
    return select([&](const SocketInfo& socket) {
      return socket.cookie == 0 && socket.flow.remote.port == remote_port;
    });
  }
  Lifecycle& lifecycle() { return lifecycle_; }
  unsigned hz() const { return hz_; }
  const std::vector<Record>& records() const { return records_; }

  // Single events, to be changed before on(). Their connection is test::make_flow()'s.

  // A transition of a full socket; change what differs before on().
  TransitionEvent moves(State from, State to, Nanos at, std::uint64_t cookie = 1) const {
    TransitionEvent event{.at = clock(at), .object = 0x1000 + cookie, .cookie = cookie};
    event.flow = test::make_flow();
    event.from = from;
    event.to = to;
    event.attached = true;
    if (from == State::Closed) event.task = test::make_process(42);
    if (to == State::Closed) event.tally = Tally{.bytes_sent = 5, .bytes_received = 7};
    return event;
  }
  TimewaitEvent timer(TimerOp op, State substate, Nanos at, std::uint64_t cookie = 1,
                      std::uint64_t object = 0x9000) const {
    TimewaitEvent event{.at = clock(at), .op = op, .object = object, .cookie = cookie};
    event.flow = test::make_flow();
    event.substate = substate;
    event.left_jiffies = op == TimerOp::Expire ? 0 : 15000;
    return event;
  }
  RequestEvent request(TimerOp op, Nanos at, std::uint64_t object = 0x8000) const {
    RequestEvent event{.at = clock(at), .op = op, .object = object};
    event.flow = test::make_flow(80, 40000);
    return event;
  }

  // connect(), established at 1 ms
  Story& connects(std::uint64_t cookie = 1) {
    on(moves(State::Closed, State::SynSent, 0ms, cookie));
    return on(moves(State::SynSent, State::Established, 1ms, cookie));
  }
  // ... closed at 101 ms, the FIN acknowledged at 102 ms
  Story& closes_first(std::uint64_t cookie = 1) {
    connects(cookie);
    auto close = moves(State::Established, State::FinWait1, 101ms, cookie);
    close.task = test::make_process(42);
    close.closing = true;
    close.shutdown = 3;
    on(close);
    return on(moves(State::FinWait1, State::FinWait2, 102ms, cookie));
  }
  // The minisock takes over: its timer starts, then the full socket "closes".
  Story& hands_over(State substate, Nanos at, std::uint64_t cookie = 1) {
    on(timer(TimerOp::Start, substate, at, cookie));
    auto gone = moves(State::FinWait2, State::Closed, at, cookie);
    gone.dead = true;
    return on(gone);
  }

  template <typename T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Record& record : records_)
      if (const T* wanted = std::get_if<T>(&record)) found.push_back(*wanted);
    return found;
  }

  // "CLOSED SYN_SENT ESTABLISHED": the states of all transitions, which must be one chain.
  std::string path() const {
    std::string text;
    for (const auto& transition : all<TransitionRecord>()) {
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
    const auto ends = all<ConnectionRecord>();
    EXPECT_EQ(ends.size(), 1U);
    return ends.empty() ? ConnectionRecord{} : ends.back();
  }
  Dwell dwell(State state) const {
    const auto found = connection().dwell[index(state)];
    EXPECT_TRUE(found) << name(state) << " was not entered";
    return found.value_or(Dwell{});
  }

 private:
  static LifecycleConfig started(LifecycleConfig config, Nanos began) {
    config.began = began;
    return config;
  }
  void write(const Record& record) noexcept override { records_.push_back(record); }

  Life select(const std::function<bool(const SocketInfo&)>& wanted) const {
    Life life;
    for (const Record& record : records_) {
      if (const auto* moved = std::get_if<TransitionRecord>(&record);
          moved && wanted(moved->socket))
        life.add(*moved);
      if (const auto* ended = std::get_if<ConnectionRecord>(&record);
          ended && wanted(ended->socket))
        life.add(*ended);
    }
    if (filter_.states.none()) life.check_books();
    return life;
  }

  Nanos began_;
  unsigned hz_;
  Filter filter_;
  std::vector<Record> records_;
  Lifecycle lifecycle_;
};

}  // namespace tcpdwell::life_story
