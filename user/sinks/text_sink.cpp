// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "leaks/leak_groups.h"
#include "model/dwell_order.h"
#include "sinks/explain.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kLocal = 13, kRemote = 32, kChange = 50, kDwellEnd = 85, kOwner = 86;
constexpr std::size_t kLongestState = 12;  // SYN_RECEIVED

using ansi::kDim, ansi::kGreen, ansi::kRed, ansi::kReset, ansi::kYellow;

std::string_view color_of(State state) {
  switch (state) {
    case State::CloseWait:
    case State::FinWait2: return kYellow;
    case State::Established:
    case State::Listen: return kGreen;
    case State::TimeWait:
    case State::Closed: return kDim;
    default: return {};
  }
}

// An unusual end, which is printed. Ordinary ends are not.
bool is_remarkable(Why why) {
  switch (why) {
    case Why::Reset:
    case Why::Refused:
    case Why::Unreachable:
    case Why::Timeout:
    case Why::Reused:
    case Why::Recycled:
    case Why::Killed:
    case Why::Overflow:
    case Why::Dropped:
    case Why::Netns:
    case Why::Disconnect: return true;
    default: return false;
  }
}

}  // namespace

void TextSink::write(const Record& record) noexcept {
  if (!kinds_.want(record)) return;
  const auto* flag = std::get_if<FlagRecord>(&record);
  if (flag != nullptr && flag->raised) return raised_.add(*flag);
  print_raised();
  begin_line();
  std::visit([this](const auto& r) { append(r); }, record);
  end_line();
}

void TextSink::ticked(Nanos, const Lifecycle&) noexcept { print_raised(); }

void TextSink::finished(Nanos, const Lifecycle&) noexcept { print_raised(); }

void TextSink::print_raised() {
  if (raised_.size() == 0) return;
  for (const LeakGroup& group : group_leaks(raised_.all())) {
    begin_line();
    append_raised(group, raised_[group.members.front()]);
    end_line();
  }
  raised_.clear();
}

void TextSink::begin_line() {
  line_.clear();
  column_ = 0;
}

void TextSink::end_line() {
  if (line_.empty()) return;
  line_ += '\n';
  output_.write(line_);
}

void TextSink::put(std::string_view text, std::size_t width) {
  line_ += text;
  column_ += width;
}

// At least one space, unless this is the first column.
void TextSink::go_to(std::size_t column) {
  const std::size_t spaces = column > column_ ? column - column_ : column_ > 0 ? 1 : 0;
  line_.append(spaces, ' ');
  column_ += spaces;
}

void TextSink::color(std::string_view code) {
  if (style_.color) line_ += code;
}

void TextSink::put_time(const When& when) { put(clock_.format(when)); }

void TextSink::put_flow(const SocketInfo& socket) {
  go_to(kLocal);
  put(format_endpoint(socket.flow.local, socket.flow.family));
  go_to(kRemote);
  put(socket.role == Role::Listener ? "*"
                                    : format_endpoint(socket.flow.remote, socket.flow.family));
}

void TextSink::put_states(const TransitionRecord& record) {
  go_to(kChange + kLongestState - name(record.from).size());  // aligns the arrows
  color(color_of(record.from));
  put(name(record.from));
  color(kReset);
  put(" → ", 3);
  color(is_remarkable(record.why) ? kRed : color_of(record.to));
  put(name(record.to));
  if (record.to == State::Closed && is_remarkable(record.why)) {
    put(" ");
    put(name(record.why));
  }
  color(kReset);
}

void TextSink::put_dwell(const Dwell& dwell) {
  const std::string text = format_dwell(dwell);
  const std::size_t width = display_width(text);
  go_to(kDwellEnd - std::min(width, kDwellEnd));
  put(text, width);
}

void TextSink::put_owner(const std::optional<Owner>& owner) {
  put(owner ? format_process(owner->process) : "-");
}

// Prints a line of its own below the columns.
void TextSink::put_note(std::string_view text) {
  line_ += '\n';
  column_ = 0;
  line_.append(kLocal, ' ');
  put(text);
}

void TextSink::append(const StartRecord&) {
  if (!style_.header) return;
  put("TIME");
  go_to(kLocal);
  put("LOCAL");
  go_to(kRemote);
  put("REMOTE");
  go_to(kChange + kLongestState - 4);
  put("FROM → TO", 9);
  go_to(kDwellEnd - 10);
  put("TIME IN IT");
  go_to(kOwner);
  put("OWNER");
}

void TextSink::append(const TransitionRecord& record) {
  put_time(record.when);
  put_flow(record.socket);
  put_states(record);
  if (record.dwell) put_dwell(*record.dwell);
  go_to(kOwner);
  put_owner(record.socket.owner);
}

void TextSink::append(const ConnectionRecord& record) {
  put_time(record.when);
  put_flow(record.socket);
  go_to(kChange);
  put(fmt::format("{} opened by {}, closed first by {}: {}", name(record.socket.role),
                  name(record.opened_by), name(record.closed_by), name(record.ended)));
  // Of this end, first or second.
  if (record.closer) put(", close() by " + format_process(record.closer->process));
  if (record.time_wait_ended) put(fmt::format(", TIME_WAIT {}", name(*record.time_wait_ended)));
  for (const State state : kDwellOrder) {
    const auto& dwell = record.dwell[index(state)];
    if (!dwell) continue;
    put(fmt::format(", {} {}", name(state), format_dwell(*dwell)));
  }
  if (record.tally)
    put(fmt::format(", sent {} B, received {} B", format_number(record.tally->bytes_sent),
                    format_number(record.tally->bytes_received)));
  put(", ");
  put_owner(record.socket.owner);
}

void TextSink::append(const FlagRecord& record) {
  put_time(record.when);
  put_flow(record.socket);
  go_to(kChange);
  color(kGreen);
  put(flag_name(record.kind, record.state));
  if (record.cause != Cause::None) {
    put(" ");
    put(name(record.cause));
  }
  if (record.mptcp) put(" (MPTCP)");
  put(" cleared");
  color(kReset);
  put_dwell(record.dwell);
  go_to(kOwner);
  put_owner(record.socket.owner);
}

// Prints what the group has in common.
void TextSink::put_ends(const LeakGroup& group) {
  go_to(kLocal);
  put(group.local_port != 0 ? ':' + std::to_string(group.local_port) : "any");
  go_to(kRemote);
  put(peer_text(group));
}

void TextSink::append_raised(const LeakGroup& group, const FlagRecord& oldest) {
  put_time(oldest.when);
  if (is_one(group))
    put_flow(oldest.socket);
  else
    put_ends(group);
  go_to(kChange);
  color(color_of(group.cause));
  put("STUCK ");
  put(flag_name(oldest.kind, oldest.state));
  if (group.cause != Cause::None) {
    put(" ");
    put(name(group.cause));
  }
  if (group.mptcp) put(" (MPTCP)");
  if (!is_one(group)) {
    const std::string count = format_number(group.count);
    put(" ×" + count, 2 + count.size());
  }
  color(kReset);
  put_dwell(group.oldest);
  go_to(kOwner);
  const std::string holder = group.holders.empty() ? "" : holder_text(group);
  if (holder.empty())
    put_owner(group.owner);
  else
    put(holder, display_width(holder));
  const Explanation explanation = explain(group, true, style_.here);
  put_note(explanation.what);
  put_note("next: " + explanation.next);
}

// One line with a count: failed connects come in storms.
void TextSink::append(const FailedConnectsRecord& record) {
  const Flow& flow = record.flow;
  put_time(record.when);
  if (record.one_destination) {
    go_to(kLocal);
    put(format_address(flow.local, flow.family));
    go_to(kRemote);
    put(format_endpoint(flow.remote, flow.family));
  }
  go_to(kChange);
  color(kRed);
  put("CONNECT FAILED");
  color(kReset);
  put(fmt::format(", {}: {}", record.count == 1 ? "once" : format_number(record.count) + " times",
                  what_failed(record.reason)));
  go_to(kOwner);
  if (record.process)
    put(format_process(*record.process));
  else
    put("-");
}

void TextSink::append(const LostRecord& record) {
  put_time(record.when);
  go_to(kLocal);
  color(kRed);
  std::string_view comma;
  const auto say = [&](std::uint64_t count, const std::string& text) {
    if (count == 0) return;
    put(std::exchange(comma, "; "));
    put(text);
  };
  say(record.events, fmt::format("LOST {} events, {} of them transitions ({})", record.events,
                                 record.transitions, name(record.cause)));
  say(record.at_most, fmt::format("missed at most {} events, most of which the programs would "
                                  "ignore ({})",
                                  record.at_most, name(record.cause)));
  say(record.resynced,
      fmt::format("{} connections corrected by a snapshot after the loss", record.resynced));
  color(kReset);
}

void TextSink::append(const ClockRecord& record) {
  put_time(record.when);
  go_to(kLocal);
  color(kYellow);
  put(suspended_text(record));
  color(kReset);
}

void TextSink::append(const EndRecord&) {}

}  // namespace tcpdwell
