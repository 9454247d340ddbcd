// SPDX-License-Identifier: Apache-2.0
// What the kernel hides from BPF, and nothing that comes later tells: the kernel is asked for what
// seems to be in a state that does not last.
#include <algorithm>
#include <bit>

#include "model/kernel_time.h"
#include "lifecycle/lifecycle.h"
#include "host/tcp_timeouts.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// Each connection is looked at once a round; in a table of more than 65,536 less often.
constexpr Nanos kRound = 200ms;
constexpr std::int64_t kMostASecond = 131'072;  // some milliseconds of CPU
constexpr std::uint64_t kMostAtOnce = 65'536;
// A state that does not last is asked for when it is that old, then so often, then whenever its age
// has doubled.
constexpr Nanos kBrief = 200ms, kAskAgain = 400ms, kAskedOften = 2s;
constexpr Nanos kAskEvery = 5ms;  // 200 a second
constexpr std::int64_t kAskAtOnce = 200;
// What is not shown is asked for later, and so is all where `asks_soon` is not set.
constexpr Nanos kLateRound = 30s, kLateBrief = 10s, kLateTimeWait = 70s;
constexpr Nanos kNewbornMost = 5min;  // a Fast Open child may wait for so long

unsigned doublings(Nanos age) {
  return static_cast<unsigned>(
      std::bit_width(static_cast<std::uint64_t>(std::max(age, Nanos{0}) / kBrief)));
}

}  // namespace

// Few states last. All of the table in a round, a few at a time. Without a loss that was counted
// nobody else would find out.
void Lifecycle::look_for_stale(Nanos now) {
  if (stale_looked_.count() < 0) stale_looked_ = now;
  if (now <= stale_looked_) return;  // what came last may be older than the last look at the clock
  const std::uint64_t all = table_.ids();
  const Nanos soon = std::max(kRound, Nanos{1s} * static_cast<std::int64_t>(all) / kMostASecond);
  const Nanos round = config_.asks_soon ? soon : kLateRound;
  const Nanos gap = std::max(now - stale_looked_, round);
  const auto elapsed = static_cast<std::uint64_t>(std::min(now - stale_looked_, round) / 1ms);
  const std::uint64_t count =
      std::min(all * elapsed / static_cast<std::uint64_t>(round / 1ms), kMostAtOnce);
  if (count == 0) return;
  stale_looked_ = now;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (++stale_hand_ >= all) stale_hand_ = 0;
    const Connection& connection = table_[stale_hand_];
    if (!connection.used || !is_stale(connection, now, gap)) continue;
    if (connection.carrier != Carrier::Newborn) {
      if (!config_.asks_soon || may_ask_for_stale(now)) ask(stale_hand_, false);
    } else {
      count_unseen(connection, State::Established, now);
      forget(stale_hand_);
    }
  }
}

bool Lifecycle::may_ask_for_stale(Nanos now) {
  const Nanos from = std::max(asked_stale_until_, now - kAskAtOnce * kAskEvery);
  if (from + kAskEvery > now) return false;
  asked_stale_until_ = from + kAskEvery;
  return true;
}

// It was looked at `gap` ago.
bool Lifecycle::is_stale(const Connection& connection, Nanos now, Nanos gap) const {
  if (connection.pending_end != PendingEnd::None || connection.flag == FlagStage::Asked) return false;
  if (connection.carrier == Carrier::Newborn) return now - connection.entered > kNewbornMost;
  if (!config_.asks_soon || connection.verdict == Verdict::Hide)
    return is_stale_later(connection, now - connection.entered);
  Nanos age{};
  switch (connection.state) {
    case State::SynSent:
    case State::SynReceived:
    case State::FinWait1:
    case State::Closing:
    case State::LastAck: age = now - connection.entered; break;
    case State::FinWait2:
    case State::TimeWait: age = time_beyond(connection, now); break;
    default: return false;
  }
  if (age < kBrief) return false;
  const Nanos before = age - gap;
  if (before < kBrief) return true;
  if (age < kAskedOften) return age / kAskAgain != before / kAskAgain;
  return doublings(age) != doublings(before);
}

bool Lifecycle::is_stale_later(const Connection& connection, Nanos age) {
  switch (connection.state) {
    case State::SynSent:
    case State::SynReceived:
    case State::FinWait1:
    case State::Closing:
    case State::LastAck: return age > kLateBrief;
    case State::TimeWait: return age > kLateTimeWait;
    case State::FinWait2: return connection.carrier == Carrier::Minisock && age > kLateTimeWait;
    default: return false;
  }
}

// How long a minisock is older than it can be, or a FIN_WAIT_2 that may have become TIME_WAIT. A
// segment restarts a minisock's timer, which is not always seen: then it is asked for in vain.
Nanos Lifecycle::time_beyond(const Connection& connection, Nanos now) const {
  const Nanos time_wait = timer_bounds(kTimeWaitLength, config_.hz).max;
  if (connection.state == State::TimeWait) return now - connection.entered - time_wait;
  const bool tells_fin = connection.carrier == Carrier::Full || config_.sees_segments;
  if (tells_fin) return now - connection.entered;
  const MinisockStart* start = table_.minisock_start(connection);
  const Nanos due = start != nullptr ? start->due : connection.entered + kTimeWaitLength;
  return now - due - (time_wait - kTimeWaitLength);
}

// What we knew was one of those that the answer is about earlier. False: it cannot be told what is
// missing.
bool Lifecycle::answered_otherwise(Id id, const InquiryEvent& answer) {
  const Connection& connection = table_[id];
  const bool minisock = answer.kind == SocketKind::Minisock;
  if (connection.carrier == Carrier::Request && answer.kind == SocketKind::Full &&
      answer.cookie != 0 && table_.by_cookie(answer.cookie) == kNone) {
    count_resync(answer.at);
    become_child(id, answer);
    return true;
  }
  if (connection.carrier == Carrier::Full && minisock && answer.cookie == connection.cookie) {
    count_resync(answer.at);
    left_to_minisock_unseen(id, answer);
    return true;
  }
  if (connection.carrier == Carrier::Minisock && minisock && config_.sees_segments &&
      connection.state == State::FinWait2 && answer.state == State::TimeWait) {
    count_resync(answer.at);
    entered_time_wait_unseen(id, connection.entered, answer.at);
    return true;
  }
  return false;
}

// Its child came, and nothing was seen of it so far.
void Lifecycle::become_child(Id id, const InquiryEvent& answer) {
  table_.forget_object(id);
  table_.forget_flow(id);
  grow_up(id, answer.cookie, table_.flow(table_[id]), 0);
  if (answer.state != State::SynReceived) bridge_gap(id, answer.state, answer.at);
}

// A minisock has taken it over, and is in FIN_WAIT_2 or TIME_WAIT. Until its next event its address
// is not known (minisock_without_start).
void Lifecycle::left_to_minisock_unseen(Id id, const InquiryEvent& answer) {
  Connection& connection = table_[id];
  const Nanos known = connection.entered;
  connection.orphan = answer.state == State::FinWait2;
  if (connection.state != State::FinWait2 && connection.state != State::Closing)
    bridge_gap(id, State::FinWait2, answer.at);
  else
    count_unseen(connection, State::TimeWait, answer.at);
  connection.carrier = Carrier::Minisock;
  connection.minisock_cookie = true;
  ++connection.question;
  table_.index_flow(id);
  if (answer.state == State::TimeWait) entered_time_wait_unseen(id, known, answer.at);
  watch(id, answer.at);
}

// Between the two: each state before it began in that time, too.
void Lifecycle::entered_time_wait_unseen(Id id, Nanos from, Nanos to) {
  const Nanos half = (std::max(to, from) - from) / 2;
  const Why why = table_[id].state == State::Closing ? Why::Ack : Why::Fin;
  move(id, State::TimeWait, from + half, half, why);
}

}  // namespace tcpdwell
