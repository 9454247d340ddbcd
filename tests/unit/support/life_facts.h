// SPDX-License-Identifier: Apache-2.0
// Helpers of story.h and conn.h: the fields of events, and a life as text.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lifecycle/lifecycle.h"

// A namespace of its own: other tests may have helpers of the same name.
namespace tcpdwell::life_story {

using namespace std::chrono_literals;
using enum State;

inline constexpr Nanos kBegan = 1000s;
inline constexpr std::uint32_t kPid = 42;
inline constexpr std::uint16_t kServerPort = 80;

inline Process process(std::uint32_t pid, std::uint64_t cgroup_id = 0) {
  return {.pid = pid, .uid = 1000, .cgroup_id = cgroup_id};
}

// What comes with a transition besides its states and its time.
struct Facts {
  std::uint16_t err = 0;
  std::uint8_t shutdown = 0;
  bool dead = false;
  bool attached = true;
  bool closing = false;
  bool mptcp = false;
  bool fastopen = false;
  std::uint32_t pid = 0;  // 0: the record has no task
  std::uint32_t life = 0;
  std::optional<Tally> tally = std::nullopt;
  bool exiting = false;
  bool unacked = false;
  bool followed = false;
  std::uint32_t receive_queue = 0;  // with a FIN
  bool by_followed = false;         // by a process of the command
  bool sent = false;                // in CLOSE_WAIT
  bool repair = false;
  bool fins_done = false;
  bool listen_unsure = false;
  bool listen_failed = false;
  bool may_be_killed = false;
  std::uint8_t syns_sent = 0;
};

// close() of the last descriptor by `pid`
inline Facts closed_by(std::uint32_t pid = kPid) {
  return {.shutdown = 3, .closing = true, .pid = pid};
}
// shutdown(SHUT_WR)
inline Facts half_closed_by(std::uint32_t pid = kPid) { return {.shutdown = 2, .pid = pid}; }
// By a packet or a timer, after close()
inline Facts orphan(std::uint16_t err = 0) {
  return {.err = err, .shutdown = 3, .dead = true, .attached = false};
}

// What comes with a minisock's timer.
struct Timer {
  Nanos left = 60s;
  std::uint32_t stamp_ms = 0;
  Canceller canceller = Canceller::Unknown;
};

// What a walk through a namespace finds beside a socket's flow and state.
struct Found {
  bool dead = false;  // a full socket that nobody holds
  std::optional<std::uint32_t> acked_ago = std::nullopt, received_ago = std::nullopt,
                               sent_ago = std::nullopt;  // in jiffies
  Nanos left = 60s;                                      // a minisock
  std::uint32_t stamp_ms = 0;
  bool timestamps = false;
  SocketStamps stamps = {};  // a full socket
};

// What comes with a request's timer.
struct Request {
  std::uint8_t retransmits = 0;
  bool listener_closed = false;
  Canceller canceller = Canceller::Receive;
};

// "500ms", ">=500ms" for a lower bound, "500ms+-4ms" where it is not exact
inline std::string text(Nanos value) {
  std::string text = std::to_string(value.count() / 1'000'000);
  if (std::int64_t rest = value.count() % 1'000'000; rest != 0) {
    std::string digits = std::to_string(1'000'000 + rest).substr(1);
    text += '.' + digits.substr(0, digits.find_last_not_of('0') + 1);
  }
  return text + "ms";
}
inline std::string text(const Dwell& dwell) {
  if (!dwell.error) return ">=" + text(dwell.value);
  return text(dwell.value) + (dwell.error->count() ? "+-" + text(*dwell.error) : "");
}
inline std::string text(const std::optional<Owner>& owner) {
  if (!owner) return "nobody";
  return std::to_string(owner->process.pid) + " by " + std::string(name(owner->via));
}

// What was said about one life.
class Life {
 public:
  void add(const TransitionRecord& record) { transitions_.push_back(record); }
  void add(const ConnectionRecord& record) { ends_.push_back(record); }
  bool unheard_of() const { return transitions_.empty() && ends_.empty(); }
  bool over() const { return !ends_.empty(); }

  // "CLOSED, SYN_SENT 20ms, ESTABLISHED": each state with its dwell, if it had one
  std::string states() const {
    if (transitions_.empty()) return "nothing";
    std::string all(name(transitions_.front().from));
    State at = transitions_.front().from;
    for (const TransitionRecord& record : transitions_) {
      EXPECT_EQ(name(record.from), name(at)) << "a transition from where it was not";
      if (record.dwell) all += ' ' + text(*record.dwell);
      all += ", " + std::string(name(at = record.to));
    }
    return all;
  }

  // "fin, opened by local, closed by remote", and the end of TIME_WAIT if there was one
  std::string verdict() const {
    if (!over()) return "still open";
    const ConnectionRecord& end = ends_.front();
    return std::string(name(end.ended)) + ", opened by " + std::string(name(end.opened_by)) +
           ", closed by " + std::string(name(end.closed_by)) +
           (end.time_wait_ended ? ", " + std::string(name(*end.time_wait_ended)) : "");
  }

  // In all its visits, as the connection's record has it.
  std::string dwell(State state) const {
    const auto& dwell = end().dwell[index(state)];
    return dwell ? text(*dwell) : "never";
  }
  std::string why(State to) const {
    for (const TransitionRecord& record : transitions_)
      if (record.to == to) return std::string(name(record.why));
    return "never";
  }
  // The full accept queue of the transition from `from`.
  std::optional<FullQueue> full_queue(State from) const {
    for (const TransitionRecord& record : transitions_)
      if (record.from == from) return record.full_queue;
    return std::nullopt;
  }
  // How often the SYN or SYN-ACK was sent, as of the transition from `from`; 0: not known.
  unsigned syns_sent(State from) const {
    for (const TransitionRecord& record : transitions_)
      if (record.from == from) return record.syns_sent;
    return 0;
  }
  std::string owner() const { return text(last_socket().owner); }
  std::string closer() const { return text(end().closer); }
  const SocketInfo& last_socket() const {
    return over() ? end().socket : transitions_.at(transitions_.size() - 1).socket;
  }
  const std::vector<TransitionRecord>& transitions() const { return transitions_; }
  const ConnectionRecord& end() const {
    static const ConnectionRecord kNone;
    EXPECT_EQ(ends_.size(), 1U) << "a life has one end";
    return ends_.empty() ? kNone : ends_.front();
  }

  // The connection's record sums up what the transitions said, each state for itself.
  void check_books() const {
    if (!over()) return;
    EXPECT_EQ(ends_.size(), 1U) << "a life has one end";
    std::array<Nanos, kStates> sums{};
    for (const TransitionRecord& record : transitions_)
      if (record.dwell) sums[index(record.from)] += record.dwell->value;
    for (std::size_t i = 1; i < kStates; ++i) {
      const auto& dwell = ends_.front().dwell[i];
      EXPECT_EQ(text(dwell ? dwell->value : Nanos{0}), text(sums[i]))
          << "in " << name(static_cast<State>(i));
    }
    EXPECT_FALSE(ends_.front().dwell[index(Closed)]) << "CLOSED is no state to dwell in";
  }

 private:
  std::vector<TransitionRecord> transitions_;
  std::vector<ConnectionRecord> ends_;
};

}  // namespace tcpdwell::life_story
