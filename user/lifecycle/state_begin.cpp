// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/state_begin.h"

#include <algorithm>

#include "model/kernel_time.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// The kernel sets the state shortly after or before the time stamps that belong to it.
constexpr Nanos kAfterStamp = 4ms, kBeforeStamp = 4ms;
// From SYN_SENT to the SYN's time stamp: connect() searches a free port in between, which takes
// milliseconds if few are free.
constexpr Nanos kPortSearch = 20ms;
constexpr Nanos kExact = 25ms;
// The ACK of a FIN is delayed by 40 to 200 ms (TCP_DELACK_MIN, TCP_DELACK_MAX). No ACK is delayed
// by more than 500 ms.
constexpr Nanos kDelayedAck = 500ms;

// The bounds that the time stamps of one socket give for each state.
class KernelTimes {
 public:
  KernelTimes(const SnapshotEvent& event, unsigned hz)
      : event_(event), stamps_(event.stamps), jiffies_(event.at, hz) {}

  StateBegin unknown() const { return {event_.at, std::nullopt}; }
  StateBegin close_wait() const;
  StateBegin fin_wait_2() const;
  StateBegin fin_unacked() const;
  StateBegin closing() const;
  StateBegin syn_sent() const;
  StateBegin established() const;

 private:
  Nanos last_ack() const { return jiffies_.latest(event_.acked_ago); }
  std::optional<Nanos> fin_ack_due() const;

  const SnapshotEvent& event_;
  const SocketStamps& stamps_;
  JiffyTimes jiffies_;
};

// When the ACK of the peer's FIN was due. A delayed-ACK timer that was set after the last data was
// set for the FIN: apart from data, nothing else starts it.
std::optional<Nanos> KernelTimes::fin_ack_due() const {
  if (stamps_.delack_ago == SocketStamps::kNever || !event_.received_ago) return std::nullopt;
  const Nanos due = jiffies_.at(stamps_.delack_ago);
  if (due - kDelayedAck <= jiffies_.latest(event_.received_ago)) return std::nullopt;
  return due;
}

// The FIN carries an acknowledgment, so it came no later than the last one. That bound can be far
// off, since the peer also acknowledges our keepalive probes.
//
// If the FIN did not set the delayed-ACK timer, it came with data, or while an ACK of data was due,
// or its ACK went out with our data, or its route delays no ACKs.
StateBegin KernelTimes::close_wait() const {
  if (!stamps_.known) return {last_ack(), std::nullopt};
  if (const auto due = fin_ack_due()) return {std::min(*due, last_ack()), *due - kDelayedAck};
  const auto last_data = jiffies_.earliest(event_.received_ago);
  if (stamps_.quickack_route || !event_.received_ago) return {last_ack(), last_data};
  const Nanos after_data = jiffies_.latest(event_.received_ago) + kDelayedAck;
  const Nanos after_ours = event_.sent_ago ? jiffies_.latest(event_.sent_ago) : Nanos{0};
  return {std::min(last_ack(), std::max(after_data, after_ours)), last_data};
}

// FIN_WAIT_2 begins when our FIN is acknowledged, which is the last acknowledgment of any data.
StateBegin KernelTimes::fin_wait_2() const {
  if (!stamps_.known || stamps_.delivered == Nanos{0}) return {last_ack(), std::nullopt};
  return {stamps_.delivered + kAfterStamp, stamps_.delivered};
}

// FIN_WAIT_1 and LAST_ACK. delivered_mstamp is the time of the last acknowledgment, or of a send
// while nothing was in flight; in the latter case it equals first_tx_mstamp. If only the FIN is
// unacknowledged, and it was sent, neither stamp is earlier than the queueing of the FIN. The FIN
// may have waited for the peer's window, which an ACK opens.
StateBegin KernelTimes::fin_unacked() const {
  if (!stamps_.known || stamps_.delivered == Nanos{0}) return unknown();
  if (stamps_.unacked != 1 || !stamps_.all_sent) return unknown();
  const Nanos sent = stamps_.delivered;
  StateBegin begin{sent + kAfterStamp, std::nullopt};
  const auto opened = jiffies_.next(event_.acked_ago);
  if (stamps_.first_sent == sent && opened && *opened < sent) begin.earliest = sent - kBeforeStamp;
  return begin;
}

// The peer's FIN carried an acknowledgment, and no data came after it.
StateBegin KernelTimes::closing() const {
  if (!stamps_.known) return {last_ack(), std::nullopt};
  return {last_ack(), jiffies_.earliest(event_.received_ago)};
}

// retrans_stamp is the time of the first SYN. With TCP_FASTOPEN_CONNECT the SYN can come long after
// connect().
StateBegin KernelTimes::syn_sent() const {
  if (!stamps_.known || stamps_.retrans_stamp == 0) return unknown();
  const Nanos unit = stamps_.usec_ts ? Nanos{1us} : Nanos{1ms};
  const Nanos sent = unwrap(stamps_.retrans_stamp, unit, event_.at);
  StateBegin begin{sent + unit, std::nullopt};
  if (!may_have_wrapped(unit, event_.at) && !stamps_.deferred_syn)
    begin.earliest = sent - kPortSearch;
  return begin;
}

// It began no later than the oldest of the known events.
StateBegin KernelTimes::established() const {
  return {std::min(
              {last_ack(), jiffies_.latest(event_.received_ago), jiffies_.latest(event_.sent_ago)}),
          std::nullopt};
}

StateBegin clamped(StateBegin begin, Nanos at) {
  begin.latest = std::clamp(begin.latest, Nanos{0}, at);
  if (begin.earliest) begin.earliest = std::clamp(*begin.earliest, Nanos{0}, begin.latest);
  return begin;
}

StateBegin begin_of(const KernelTimes& times, State state) {
  switch (state) {
    case State::CloseWait: return times.close_wait();
    case State::FinWait2: return times.fin_wait_2();
    case State::FinWait1: return times.fin_unacked();
    case State::LastAck: {
      const auto close_wait = times.close_wait().earliest;
      StateBegin begin = times.fin_unacked();
      if (!begin.earliest) begin.earliest = close_wait;
      return begin;
    }
    case State::Closing: return times.closing();
    case State::SynSent: return times.syn_sent();
    case State::Established: return times.established();
    default: return times.unknown();
  }
}

}  // namespace

bool StateBegin::is_exact() const { return earliest && latest - *earliest <= kExact; }

StateBegin StateBegin::narrowed_by(const StateBegin& other) const {
  StateBegin both{std::min(latest, other.latest), earliest};
  if (!earliest || (other.earliest && *other.earliest > *earliest)) both.earliest = other.earliest;
  return both.earliest && *both.earliest > both.latest ? *this : both;
}

StateBegin begin_of_socket(const SnapshotEvent& event, unsigned hz) {
  return clamped(begin_of(KernelTimes(event, hz), event.state), event.at);
}

// With TCP timestamps, tw_entry_stamp is when TIME_WAIT began (a later FIN moves it); without them,
// when the minisock was made. The timer tells when it was last armed, which is not always the first
// time.
StateBegin begin_of_minisock(const SnapshotEvent& event, unsigned hz) {
  const JiffyTimes jiffies(event.at, hz);
  const Nanos armed = jiffies.at(-std::int64_t{event.left_jiffies}) - kTimeWaitLength;
  const bool stamped = event.entry_stamp_ms != 0;
  const Nanos stamp = stamped ? unwrap(event.entry_stamp_ms, 1ms, event.at) : Nanos{0};
  StateBegin begin{event.at, std::nullopt};
  if (event.state == State::FinWait2) {
    if (stamped) begin.latest = stamp;
  } else if (stamped && (event.timestamps || armed - stamp <= 2 * jiffies.length())) {
    begin = {stamp + 1ms, stamp - 1ms};
  } else {
    begin.latest = armed + jiffies.length();  // armed in the middle of a jiffy
    if (stamped) begin.earliest = stamp - 1ms;
  }
  return clamped(begin, event.at);
}

}  // namespace tcpdwell
