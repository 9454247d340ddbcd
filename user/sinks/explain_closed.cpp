// SPDX-License-Identifier: Apache-2.0
#include "sinks/explain_closed.h"

#include <fmt/format.h>

#include <cerrno>

namespace tcpdwell {
namespace {

// How the connection ended: "timed out"; `was` precedes a passive one.
struct HowEnded {
  bool passive;
  std::string_view text;
};

HowEnded how_it_ended(const LeakGroup& group) {
  switch (group.ended) {
    case Ended::ResetReceived: return {true, "reset by the peer"};
    case Ended::ResetSent: return {true, "reset by this side"};
    case Ended::Timeout: return {false, "timed out"};
    case Ended::Killed: return {true, "killed (SOCK_DESTROY)"};
    case Ended::Fin: return {true, "closed by both sides"};
    default: break;
  }
  switch (group.pending_error) {
    case ECONNRESET:
    case EPIPE: return {true, "reset"};
    case ETIMEDOUT: return {false, "timed out"};
    case ECONNABORTED: return {true, "aborted (SOCK_DESTROY)"};
    default: return {false, "ended"};
  }
}

std::string not_fetched(const LeakGroup& group) {
  if (group.pending_error == 0) return "";
  return fmt::format("; {} pending {} was never read", is_one(group) ? "its" : "their",
                     errno_name(group.pending_error));
}

std::string end_text(const LeakGroup& group, std::string_view ago) {
  const HowEnded how = how_it_ended(group);
  if (is_one(group))
    return fmt::format("the connection {}{} {}", how.passive ? "was " : "", how.text, ago);
  return fmt::format("{} connections {}{}, {}", group.count, how.passive ? "were " : "", how.text,
                     ago);
}

}  // namespace

bool is_closed(const LeakGroup& group) {
  return group.kind == FlagKind::State &&
         (group.state == State::Closed || group.cause == Cause::NotClosed ||
          group.cause == Cause::ConnectFailed);
}

std::string errno_name(std::uint16_t error) {
  switch (error) {
    case ECONNRESET: return "ECONNRESET";
    case EPIPE: return "EPIPE";
    case ETIMEDOUT: return "ETIMEDOUT";
    case ECONNABORTED: return "ECONNABORTED";
    case ECONNREFUSED: return "ECONNREFUSED";
    case EHOSTUNREACH: return "EHOSTUNREACH";
    case ENETUNREACH: return "ENETUNREACH";
    default: return fmt::format("errno {}", error);
  }
}

std::string closed_text(const LeakGroup& group, std::string_view ago, std::string_view who_holds,
                        std::string_view unread) {
  if (group.cause == Cause::ConnectFailed) {
    const std::string what = is_one(group)
                                 ? fmt::format("connect() failed {}", ago)
                                 : fmt::format("connect() failed {} times, {}", group.count, ago);
    return fmt::format("{}, and {}{}", what, who_holds, not_fetched(group));
  }
  std::string text = end_text(group, ago);
  if (group.cause == Cause::DataUnread)
    text += fmt::format("; {} received before that {} unread", unread,
                        group.unread_bytes.value_or(0) > 1 ? "are" : "is");
  return fmt::format("{}, and {}{}", text, who_holds, not_fetched(group));
}

std::string closed_in_the_past(const LeakGroup& group, std::string_view unread) {
  if (group.cause == Cause::ConnectFailed)
    return "connect() failed, and the descriptor was not closed";
  const HowEnded how = how_it_ended(group);
  std::string text = fmt::format("the connection {}{}", how.passive ? "was " : "", how.text);
  if (group.cause == Cause::DataUnread) text += fmt::format(", {} not read", unread);
  return text + ", and the descriptor was not closed";
}

std::string closed_next_step(const LeakGroup& group, std::string_view who,
                             std::string_view strace) {
  if (group.cause == Cause::DataUnread)
    return fmt::format("see what {} is doing instead of read(){}", who, strace);
  if (group.cause == Cause::NotClosed && group.pending_error != 0)
    return fmt::format(
        "make {} poll its idle connections for reading and errors (pools often do not) and close() "
        "one when the peer is gone",
        who);
  if (group.ended == Ended::Unknown)
    return fmt::format("find where {} is done with a connection but does not close() it{}", who,
                       strace);
  return fmt::format("find where {} handles the {} but does not close(){}", who,
                     group.ended == Ended::Fin ? "end of stream" : "error", strace);
}

}  // namespace tcpdwell
