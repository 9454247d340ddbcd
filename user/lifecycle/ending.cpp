// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/ending.h"

#include <cerrno>

namespace tcpdwell {
namespace {

// Errors that an ICMP message, a route or an unresolved neighbour sets on a socket
// (icmp_err_convert[], icmpv6_err_convert()), except ECONNREFUSED.
bool is_unreachable(std::uint16_t err) {
  switch (err) {
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPROTO:
    case EACCES: return true;
    default: return false;
  }
}

// close() in TCP_REPAIR mode: the socket is destroyed and nothing is sent.
bool is_silent_close(const TransitionEvent& event) {
  return event.repair && event.err == 0 && !event.fins_done;
}

// False if FINs went both ways: these ended the connection, and the error is an older one.
bool has_ended_by_error(const TransitionEvent& event) { return event.err != 0 && !event.fins_done; }

// close() and shutdown() both set sk_shutdown to 3; only close() leaves no descriptor.
Why closing_or_shutdown(const TransitionEvent& event) {
  return event.closing ? Why::Close : Why::Shutdown;
}

Ending end_of_syn_sent(const TransitionEvent& event) {
  switch (event.err) {
    case 0: return {Ended::Closed, event.closing ? Why::Close : Why::Disconnect, Side::None};
    case ECONNABORTED: return {Ended::Killed, Why::Killed, Side::None};
    case ETIMEDOUT: return {Ended::Timeout, Why::Timeout, Side::None};
    case ECONNREFUSED: return {Ended::Refused, Why::Refused, Side::Remote};
    default: break;
  }
  if (is_unreachable(event.err)) return {Ended::Unreachable, Why::Unreachable, Side::None};
  return {Ended::Unknown, Why::Unknown, Side::None};
}

Ending end_with_error(const TransitionEvent& event, const ResetFacts& resets) {
  const Side sender = resets.sent ? Side::Local : Side::None;
  switch (event.err) {
    case ECONNRESET:  // tcp_reset(): an RST came, or data for a socket that is closed
    case EPIPE:       // the same in CLOSE_WAIT
      if (!resets.watched) return {Ended::Unknown, Why::Reset, Side::Unknown};
      if (resets.sent) return {Ended::ResetSent, Why::Reset, Side::Local};
      return {Ended::ResetReceived, Why::Reset, Side::Remote};
    case ECONNABORTED:  // tcp_abort()
      return {Ended::Killed, Why::Killed, sender};
    case ETIMEDOUT: return {Ended::Timeout, Why::Timeout, sender};
    default: break;
  }
  // Retries were exhausted; tcp_write_err() prefers the soft error that an ICMP message left.
  if (is_unreachable(event.err) || event.err == ECONNREFUSED)
    return {Ended::Unreachable, Why::Unreachable, sender};
  return {Ended::Unknown, Why::Unknown, Side::Unknown};
}

// An open connection that was aborted: by tcp_disconnect(), or by close() with unread data.
Ending end_of_open_socket(const TransitionEvent& event, const ResetFacts& resets) {
  if (resets.memory || event.dead) return {Ended::Overflow, Why::Overflow, Side::Local};
  const bool disconnected = event.attached && !event.closing && event.shutdown != 3;
  return {Ended::ResetSent, disconnected ? Why::Disconnect : Why::Close, Side::Local};
}

// Without a minisock and without an error: the kernel dropped it, with an RST (TCP_LINGER2 < 0,
// close() with unread data, out of memory) or without (tcp_max_tw_buckets).
Ending end_of_closing_socket(const TransitionEvent& event, const ResetFacts& resets) {
  if (resets.memory) return {Ended::Overflow, Why::Overflow, Side::Local};
  if (resets.sent) return {Ended::ResetSent, event.closing ? Why::Close : Why::Reset, Side::Local};
  if (!resets.watched) return {Ended::Unknown, Why::Unknown, Side::Local};
  return {Ended::Overflow, Why::Overflow, Side::Local};
}

}  // namespace

Side first_fin(State state) {
  switch (state) {
    case State::FinWait1:
    case State::FinWait2: return Side::Local;
    case State::CloseWait:
    case State::LastAck: return Side::Remote;
    case State::Closing: return Side::Both;
    default: return Side::Unknown;
  }
}

Why why_of(const TransitionEvent& event) {
  switch (event.to) {
    case State::SynSent: return Why::Connect;
    case State::Listen: return Why::Listen;
    case State::SynReceived: return Why::Syn;
    case State::Established: return Why::Ack;
    case State::FinWait1:
    case State::LastAck: return event.mptcp ? Why::Unknown : closing_or_shutdown(event);
    case State::FinWait2: return Why::Ack;
    case State::CloseWait:
    case State::Closing: return Why::Fin;
    case State::TimeWait:
    case State::Closed: return Why::Unknown;
  }
  return Why::Unknown;
}

bool leads_to_minisock(const TransitionEvent& event) {
  return event.to == State::Closed && !has_ended_by_error(event) && !is_silent_close(event) &&
         (event.from == State::FinWait2 || event.from == State::Closing);
}

bool needs_reset_facts(const TransitionEvent& event) {
  if (event.from == State::SynSent || is_silent_close(event)) return false;
  if (has_ended_by_error(event)) return event.err == ECONNRESET || event.err == EPIPE;
  return (event.from == State::FinWait1 || event.from == State::FinWait2 ||
          event.from == State::Closing);
}

Ending end_of_socket(const TransitionEvent& event, const ResetFacts& resets) {
  if (event.from == State::Listen && event.err == ECONNABORTED)
    return {Ended::Killed, Why::Killed, Side::None};
  if (event.from == State::Listen) return {Ended::Closed, closing_or_shutdown(event), Side::None};
  if (event.from == State::SynSent) return end_of_syn_sent(event);
  if (is_silent_close(event)) return {Ended::Closed, Why::Close, Side::None};
  if (has_ended_by_error(event)) return end_with_error(event, resets);
  switch (event.from) {
    case State::LastAck:
      if (resets.memory) return {Ended::Overflow, Why::Overflow, Side::Remote};
      return {Ended::Fin, Why::Ack, Side::Remote};
    case State::FinWait1:
    case State::FinWait2:
    case State::Closing: return end_of_closing_socket(event, resets);
    default: return end_of_open_socket(event, resets);
  }
}

Ending end_of_request(const RequestEvent& last) {
  if (last.canceller == Canceller::Abort) return {Ended::Killed, Why::Killed, Side::None};
  if (last.canceller == Canceller::Netns) return {Ended::Netns, Why::Netns, Side::None};
  if (last.listener_closed) return {Ended::Dropped, Why::Dropped, Side::None};
  if (last.op == TimerOp::Expire) return {Ended::Timeout, Why::Timeout, Side::None};
  return {Ended::ResetReceived, Why::Reset, Side::Remote};
}

Ending end_of_orphan(Canceller canceller) {
  switch (canceller) {
    case Canceller::Segment: return {Ended::ResetReceived, Why::Reset, Side::Local};
    case Canceller::Receive: return {Ended::ResetSent, Why::Reset, Side::Local};
    case Canceller::Abort: return {Ended::Killed, Why::Killed, Side::Local};
    case Canceller::Netns: return {Ended::Netns, Why::Netns, Side::Local};
    case Canceller::Connect:
    case Canceller::Unknown: break;
  }
  return {Ended::Unknown, Why::Unknown, Side::Local};
}

TimeWaitEnded end_of_time_wait(Canceller canceller) {
  switch (canceller) {
    case Canceller::Segment: return TimeWaitEnded::Reset;
    case Canceller::Receive: return TimeWaitEnded::Recycled;
    case Canceller::Connect: return TimeWaitEnded::Reused;
    case Canceller::Abort: return TimeWaitEnded::Killed;
    case Canceller::Netns: return TimeWaitEnded::Netns;
    case Canceller::Unknown: break;
  }
  return TimeWaitEnded::Unknown;
}

Why why_of(TimeWaitEnded ended) {
  switch (ended) {
    case TimeWaitEnded::Expired: return Why::Expired;
    case TimeWaitEnded::Reused: return Why::Reused;
    case TimeWaitEnded::Recycled: return Why::Recycled;
    case TimeWaitEnded::Reset: return Why::Reset;
    case TimeWaitEnded::Killed: return Why::Killed;
    case TimeWaitEnded::Netns: return Why::Netns;
    case TimeWaitEnded::Unknown: break;
  }
  return Why::Unknown;
}

}  // namespace tcpdwell
