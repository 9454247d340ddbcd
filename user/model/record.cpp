// SPDX-License-Identifier: Apache-2.0
#include "model/record.h"

namespace tcpdwell {

std::string_view name(LossCause cause) {
  switch (cause) {
    case LossCause::RingFull: return "ring_full";
    case LossCause::Recursion: return "recursion";
    case LossCause::Damaged: return "damaged";
  }
  return "";
}

std::string_view name(Role role) {
  switch (role) {
    case Role::Unknown: return "unknown";
    case Role::Client: return "client";
    case Role::Server: return "server";
    case Role::Listener: return "listener";
  }
  return "";
}

std::string_view name(Cause cause) {
  switch (cause) {
    case Cause::None: return "";
    case Cause::NotAccepted: return "not_accepted";
    case Cause::DataUnread: return "data_unread";
    case Cause::Sending: return "sending";
    case Cause::EofUnread: return "eof_unread";
    case Cause::EofRead: return "eof_read";
    case Cause::HalfClosed: return "half_closed";
    case Cause::Orphaned: return "orphaned";
    case Cause::NotClosed: return "not_closed";
    case Cause::ConnectFailed: return "connect_failed";
  }
  return "";
}

std::string_view name(Side side) {
  switch (side) {
    case Side::Unknown: return "unknown";
    case Side::None: return "none";
    case Side::Local: return "local";
    case Side::Remote: return "remote";
    case Side::Both: return "both";
  }
  return "";
}

std::string_view name(ConnectFailure reason) {
  return reason == ConnectFailure::NoPort ? "no_port" : "port_taken";
}

std::string_view name(Ended ended) {
  switch (ended) {
    case Ended::Unknown: return "unknown";
    case Ended::Fin: return "fin";
    case Ended::ResetSent: return "reset_sent";
    case Ended::ResetReceived: return "reset_received";
    case Ended::Refused: return "refused";
    case Ended::Timeout: return "timeout";
    case Ended::Closed: return "closed";
    case Ended::Killed: return "killed";
    case Ended::Overflow: return "overflow";
    case Ended::Dropped: return "dropped";
    case Ended::Netns: return "netns";
    case Ended::Unreachable: return "unreachable";
  }
  return "";
}

std::string_view name(TimeWaitEnded ended) {
  switch (ended) {
    case TimeWaitEnded::Unknown: return "unknown";
    case TimeWaitEnded::Expired: return "expired";
    case TimeWaitEnded::Reused: return "reused";
    case TimeWaitEnded::Recycled: return "recycled";
    case TimeWaitEnded::Reset: return "reset";
    case TimeWaitEnded::Killed: return "killed";
    case TimeWaitEnded::Netns: return "netns";
  }
  return "";
}

bool is_certainly_stuck(const FlagRecord& flag) {
  if (flag.dwell.value >= flag.threshold) return true;
  return flag.at_most && *flag.at_most >= flag.threshold &&
         *flag.at_most - flag.dwell.value <= kBoundsAgree;
}

bool is_of_unknown_age(const FlagRecord& flag) {
  return !flag.dwell.error && !is_certainly_stuck(flag) &&
         (!flag.at_most || *flag.at_most >= flag.threshold);
}

bool is_leak(const FlagRecord& flag) {
  return flag.cause != Cause::Orphaned && flag.cause != Cause::ConnectFailed &&
         is_certainly_stuck(flag);
}

std::string_view name(Why why) {
  switch (why) {
    case Why::Unknown: return "";
    case Why::Connect: return "connect";
    case Why::Listen: return "listen";
    case Why::Close: return "close";
    case Why::Shutdown: return "shutdown";
    case Why::Disconnect: return "disconnect";
    case Why::Syn: return "syn";
    case Why::Ack: return "ack";
    case Why::Fin: return "fin";
    case Why::Reset: return "reset";
    case Why::Refused: return "refused";
    case Why::Timeout: return "timeout";
    case Why::Expired: return "expired";
    case Why::Reused: return "reused";
    case Why::Recycled: return "recycled";
    case Why::Killed: return "killed";
    case Why::Overflow: return "overflow";
    case Why::Dropped: return "dropped";
    case Why::Netns: return "netns";
    case Why::Unreachable: return "unreachable";
  }
  return "";
}

}  // namespace tcpdwell
