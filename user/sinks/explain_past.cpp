// SPDX-License-Identifier: Apache-2.0
#include "sinks/explain_past.h"

#include <fmt/format.h>

#include "leaks/diagnosis.h"
#include "sinks/explain_accept.h"
#include "sinks/explain_closed.h"
#include "sinks/next_step.h"
#include "sinks/text_format.h"
#include "sinks/who_holds.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

std::string what_was_wrong(const LeakGroup& group) {
  const std::string_view it = is_one(group) ? "it" : "them";
  if (is_closed(group)) return closed_in_the_past(group, size_text(group.unread_bytes));
  switch (group.cause) {
    case Cause::None: break;
    case Cause::NotAccepted:
      return fmt::format("no process accepted {} from the queue of port {}", it, group.local_port);
    case Cause::DataUnread:
      return size_text(group.unread_bytes) + " before the end of stream not read";
    case Cause::Sending: return size_text(group.unsent_bytes) + " not acknowledged by the peer";
    case Cause::EofUnread: return "all data read, but not the end of stream";
    case Cause::EofRead: return "nothing was left to read";
    case Cause::HalfClosed: return "this side was shut down, and the peer did not close";
    case Cause::Orphaned: return fmt::format("no process held {}", it);
    case Cause::NotClosed:
    case Cause::ConnectFailed: break;
  }
  return {};
}

std::string until_exit(const LeakGroup& group) {
  std::string who = "the process";
  if (!group.holders.empty())
    who = processes_text(group);
  else if (group.owner)
    who = format_process(group.owner->process) + in_service(group);
  std::string text = fmt::format(
      "{}{} until {} exited; only {} closed {}", how_long(group), is_one(group) ? "" : ",", who,
      group.by_runtime ? "its clean-up just before the exit" : "the exit",
      is_one(group) ? "it" : "them");
  if (group.unread_bytes.value_or(0) != 0)
    text += fmt::format("; {} never read", size_text(group.unread_bytes));
  return text;
}

}  // namespace

std::string age_text(const Dwell& dwell) {
  const std::string_view about = !dwell.error ? "at least " : dwell.error->count() ? "about " : "";
  return std::string(about) + format_duration(dwell.value);
}

std::string how_long(const LeakGroup& group) {
  if (is_one(group)) return fmt::format("in {} for {}", name(group.state), age_text(group.oldest));
  return fmt::format("{} in {}, the oldest for {}", format_count(group.count, "socket"),
                     name(group.state), age_text(group.oldest));
}

std::string size_text(const std::optional<std::uint64_t>& bytes) {
  return bytes && *bytes != 0 ? format_count(*bytes, "byte") : "data";
}

std::string in_the_past(const LeakGroup& group) {
  if (group.kind == FlagKind::Accept) return explain_accept(group, false);
  if (group.by_exit) return until_exit(group);
  std::string text = how_long(group);
  if (const std::string wrong = what_was_wrong(group); !wrong.empty()) text += "; " + wrong;
  if (group.holders.empty()) return text;
  if (group.cause == Cause::NotAccepted) return text + "; listener " + processes_text(group);
  return text + "; held by " + descriptors_text(group);
}

std::string next_step_in_the_past(const LeakGroup& group) {
  return next_step(group, diagnose(group), nullptr, false);
}

}  // namespace tcpdwell
