// SPDX-License-Identifier: Apache-2.0
#include "sinks/explain_closed.h"

#include <fmt/format.h>

#include <cerrno>

namespace tcpdwell {
namespace {

std::string_view how_it_ended(const LeakGroup& group) {
  switch (group.ended) {
    case Ended::ResetReceived: return "reset by the peer";
    case Ended::ResetSent: return "reset by this side";
    case Ended::Timeout: return "given up, as the peer did not answer any more,";
    case Ended::Killed: return "killed (SOCK_DESTROY)";
    case Ended::Fin: return "closed by both sides";
    default: break;
  }
  switch (group.pending_error) {
    case ECONNRESET:
    case EPIPE: return "reset";
    case ETIMEDOUT: return "given up, as the peer did not answer any more,";
    case ECONNABORTED: return "aborted (SOCK_DESTROY)";
    default: return "over";
  }
}

std::string not_fetched(const LeakGroup& group) {
  if (group.pending_error == 0) return "";
  return fmt::format("; {} was never fetched from {}", errno_name(group.pending_error),
                     is_one(group) ? "it" : "them");
}

std::string begin(const LeakGroup& group, std::string_view ago) {
  const std::string_view how = how_it_ended(group);
  // "over 2m ago" would be no sentence.
  if (how == "over") {
    if (is_one(group)) return fmt::format("the connection ended {}", ago);
    return fmt::format("{} connections ended, {}", group.count, ago);
  }
  if (is_one(group)) return fmt::format("the connection was {} {}", how, ago);
  const bool has_comma = how.back() == ',';
  return fmt::format("{} connections were {}{} {}", group.count, how, has_comma ? "" : ",", ago);
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
  std::string text = begin(group, ago);
  if (group.cause == Cause::DataUnread)
    text += fmt::format("; {} that came before {} unread", unread,
                        group.unread_bytes.value_or(0) > 1 ? "are" : "is");
  return fmt::format("{}, and {}{}", text, who_holds, not_fetched(group));
}

std::string closed_in_the_past(const LeakGroup& group, std::string_view unread) {
  if (group.cause == Cause::ConnectFailed)
    return "connect() failed, and the descriptor was not closed";
  std::string how(how_it_ended(group));
  if (how.back() == ',') how.pop_back();
  std::string text = fmt::format("the connection was {}", how);
  if (group.cause == Cause::DataUnread) text += fmt::format(", {} not read", unread);
  return text + ", and the descriptor was not closed";
}

std::string closed_next_step(const LeakGroup& group, std::string_view who,
                             std::string_view strace) {
  if (group.cause == Cause::DataUnread)
    return fmt::format("see what {} is doing instead of read(){}", who, strace);
  if (group.cause == Cause::NotClosed && group.pending_error != 0)
    return fmt::format(
        "let {} watch its idle connections for reading and errors (a pool often does not) and "
        "close() one when the peer is gone",
        who);
  return fmt::format("find where {} handles the {} but does not close(){}", who,
                     group.ended == Ended::Fin ? "end of stream" : "error", strace);
}

}  // namespace tcpdwell
