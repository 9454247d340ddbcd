// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/stale_scan.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "host/tcp_timeouts.h"
#include "model/kernel_time.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// Each connection is checked once a round; a table of more than 65,536 has longer rounds.
constexpr Nanos kRound = 200ms;
constexpr std::int64_t kMostASecond = 131'072;  // some milliseconds of CPU
constexpr std::uint64_t kMostAtOnce = 65'536;
// A connection in a short-lived state is asked about at age kBrief, then every kRepeat, and from
// kAskedOften on whenever its age has doubled.
constexpr Nanos kBrief = 200ms, kRepeat = 400ms, kAskedOften = 2s;
// For hidden connections, and for all connections without `asks_soon`.
constexpr Nanos kLateRound = 30s, kLateBrief = 10s, kLateTimeWait = 70s;
constexpr Nanos kNewbornMost = 5min;  // a Fast Open child may wait this long

unsigned doublings(Nanos age) {
  return static_cast<unsigned>(
      std::bit_width(static_cast<std::uint64_t>(std::max(age, Nanos{0}) / kBrief)));
}

}  // namespace

const std::vector<ConnectionTable::Id>& StaleScan::due(Nanos now) {
  due_.clear();
  if (scanned_.count() < 0) scanned_ = now;
  if (now <= scanned_) return due_;  // time can go back: an event can be older than the last tick
  const std::uint64_t all = table_.ids();
  const Nanos soon = std::max(kRound, Nanos{1s} * static_cast<std::int64_t>(all) / kMostASecond);
  const Nanos round = config_.asks_soon ? soon : kLateRound;
  const Nanos gap = std::max(now - scanned_, round);
  const auto elapsed = static_cast<std::uint64_t>(std::min(now - scanned_, round) / 1ms);
  const std::uint64_t count =
      std::min(all * elapsed / static_cast<std::uint64_t>(round / 1ms), kMostAtOnce);
  if (count == 0) return due_;
  scanned_ = now;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (++hand_ >= all) hand_ = 0;
    const Connection& connection = table_[hand_];
    if (!connection.used || !is_stale(connection, now, gap)) continue;
    const bool asks = connection.carrier != Carrier::Newborn && config_.asks_soon;
    if (!asks || budget_.take(now)) due_.push_back(hand_);
  }
  return due_;
}

// `gap`: time since the previous check of this connection.
bool StaleScan::is_stale(const Connection& connection, Nanos now, Nanos gap) const {
  if (connection.pending_end != PendingEnd::None || connection.flag == FlagStage::Asked)
    return false;
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
  if (age < kAskedOften) return age / kRepeat != before / kRepeat;
  return doublings(age) != doublings(before);
}

bool StaleScan::is_stale_later(const Connection& connection, Nanos age) {
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

// By how much a minisock exceeds its longest possible life, or since when a FIN_WAIT_2 may be
// TIME_WAIT. An unseen segment can restart the timer of a minisock: then the question is wasted.
Nanos StaleScan::time_beyond(const Connection& connection, Nanos now) const {
  const Nanos time_wait = timer_bounds(kTimeWaitLength, config_.hz).max;
  if (connection.state == State::TimeWait) return now - connection.entered - time_wait;
  const bool tells_fin = connection.carrier == Carrier::Full || config_.sees_segments;
  if (tells_fin) return now - connection.entered;
  const MinisockStart* start = table_.minisock_start(connection);
  const Nanos due = start != nullptr ? start->due : connection.entered + kTimeWaitLength;
  return now - due - (time_wait - kTimeWaitLength);
}

}  // namespace tcpdwell
