// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "leaks/leak_groups.h"
#include "model/dwell_order.h"
#include "sinks/explain.h"
#include "sinks/text_wrap.h"
#include "sinks/where_text.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kLongestState = 12;  // SYN_RECEIVED
constexpr std::size_t kLongOwner = 17;     // python3[1234567]
constexpr std::size_t kLinesOfARecord = 2;

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

std::string port_of(const std::string& endpoint) {
  const std::size_t colon = endpoint.rfind(':');
  return colon == std::string::npos ? endpoint : endpoint.substr(colon);
}

std::optional<Process> process_of(const std::optional<Owner>& owner) {
  return owner ? std::optional(owner->process) : std::nullopt;
}

// For a connection among records of other kinds.
std::string connection_text(const ConnectionRecord& record) {
  std::string text =
      fmt::format("{} opened by {}, closed first by {}: {}", name(record.socket.role),
                  name(record.opened_by), name(record.closed_by), name(record.ended));
  // Of this end, first or second.
  if (record.closer) text += ", close() by " + format_process(record.closer->process);
  if (record.time_wait_ended) text += fmt::format(", TIME_WAIT {}", name(*record.time_wait_ended));
  for (const State state : kDwellOrder)
    if (const auto& dwell = record.dwell[index(state)])
      text += fmt::format(", {} {}", name(state), format_dwell(*dwell));
  if (record.tally)
    text += fmt::format(", sent {} B, received {} B", format_number(record.tally->bytes_sent),
                        format_number(record.tally->bytes_received));
  const auto& owner = record.socket.owner;
  return text + ", " + (owner ? format_process(owner->process) : "-");
}

}  // namespace

TextSink::TextSink(Output& output, const Kinds& kinds, const TextStyle& style)
    : output_(output),
      kinds_(kinds),
      style_(style),
      only_connections_(kinds.connections && !kinds.transitions && !kinds.flags),
      clock_(style.time),
      layout_(layout_for(style.screen, clock_.width())),
      line_(style.color),
      places_(style.here) {}

void TextSink::write(const Record& record) noexcept {
  if (!kinds_.want(record)) return;
  const auto* flag = std::get_if<FlagRecord>(&record);
  if (flag != nullptr && flag->raised) return raised_.add(*flag);
  print_raised();
  if (!std::holds_alternative<StartRecord>(record) && !std::holds_alternative<EndRecord>(record))
    repeat_header();
  std::visit([this](const auto& r) { append(r); }, record);
  write_out();
}

// Also follows a change of the terminal's size.
void TextSink::ticked(Nanos, const Lifecycle&) noexcept {
  print_raised();
  if (style_.screen != nullptr) layout_ = layout_for(style_.screen, clock_.width());
}

void TextSink::finished(Nanos, const Lifecycle&) noexcept { print_raised(); }

void TextSink::print_raised() {
  if (raised_.size() == 0) return;
  for (LeakGroup& group : group_leaks(raised_.all())) {
    group.filtered = style_.filtered;
    repeat_header();
    append_raised(group, raised_[group.members.front()]);
    write_out();
  }
  raised_.clear();
}

// A terminal gets the header again when the last one is about to leave the screen.
void TextSink::repeat_header() {
  if (layout_.rows == 0 || !style_.header || since_header_ + kLinesOfARecord < layout_.rows) return;
  layout_ = layout_for(style_.screen, clock_.width());
  put_header();
  write_out();
}

void TextSink::put_header() {
  since_header_ = 0;
  context_.clear();
  if (only_connections_) return connections_.put_header(line_, layout_);
  if (!layout_.addresses) {
    line_.put_wide("LOCAL → REMOTE");
    line_.below(0);
  }
  line_.put("TIME");
  if (layout_.addresses) {
    line_.go_to(layout_.local);
    line_.put("LOCAL");
    line_.go_to(layout_.remote);
    line_.put("REMOTE");
  }
  line_.go_to(layout_.change + kLongestState - 4);
  line_.put_wide("FROM → TO");
  line_.put_right("TIME IN IT", layout_.dwell_end);
  line_.go_to(layout_.owner);
  line_.put("OWNER");
}

// Prints a line of its own, unless the last one was the same.
void TextSink::put_context(const std::string& context) {
  if (context == context_) return;
  context_ = context;
  if (context.empty()) return;
  line_.put_wide(context);
  line_.below(0);
}

void TextSink::put_date(const When& when) {
  const auto date = clock_.new_date(when);
  if (!date) return;
  line_.put(*date);
  line_.below(0);
}

// A line that is not about a socket.
void TextSink::begin_line(const When& when) {
  put_date(when);
  place_.clear();
  line_.put(clock_.format(when));
  line_.go_to(layout_.local);
}

// A place that does not fit behind the owner goes above the line, too.
void TextSink::begin_line(const When& when, std::string local, std::string remote,
                          const std::string& place) {
  put_date(when);
  place_ = place;
  const TextLayout& at = layout_;
  if (at.width > 0) {
    const std::size_t ends = std::max(at.local + local.size() + 1, at.remote) + remote.size();
    std::string context;
    if (!at.addresses || ends >= at.change) {
      context = local + " → " + remote;
      local = port_of(local);
      remote = port_of(remote);
    }
    if (!place.empty() && at.room_at(at.owner + kLongOwner) < display_width(place)) {
      context += (context.empty() ? "" : "  ") + place;
      place_.clear();
    }
    put_context(context);
  }
  line_.put(clock_.format(when));
  if (!at.addresses) return;
  line_.go_to(at.local);
  line_.put(local);
  line_.go_to(at.remote);
  line_.put(remote);
}

void TextSink::begin_line(const When& when, const SocketInfo& socket) {
  const Flow& flow = socket.flow;
  places_.see(flow.netns, socket.cgroup);
  begin_line(when, format_endpoint(flow.local, flow.family),
             socket.role == Role::Listener ? "*" : format_endpoint(flow.remote, flow.family),
             places_.text(flow.netns, socket.cgroup));
}

void TextSink::write_out() {
  if (line_.empty()) return;
  const std::string text = wrap_lines(line_.text() + '\n', layout_.width, layout_.local);
  line_.clear();
  if (layout_.rows > 0)
    since_header_ += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  output_.write(text);
}

void TextSink::note(std::string_view text) {
  print_raised();
  line_.put_wide(text);
  write_out();
}

void TextSink::put_states(const TransitionRecord& record) {
  line_.go_to(layout_.change + kLongestState - name(record.from).size());  // aligns the arrows
  line_.color(color_of(record.from));
  line_.put(name(record.from));
  line_.color(kReset);
  line_.put_wide(" → ");
  line_.color(is_remarkable(record.why) ? kRed : color_of(record.to));
  line_.put(name(record.to));
  if (record.to == State::Closed && is_remarkable(record.why)) {
    line_.put(" ");
    line_.put(name(record.why));
  }
  line_.color(kReset);
}

void TextSink::put_dwell(const Dwell& dwell) {
  line_.put_right(format_dwell(dwell), layout_.dwell_end);
}

void TextSink::put_process(const std::optional<Process>& process) {
  line_.go_to(layout_.owner);
  line_.put_wide(process ? format_process(*process, layout_.room_at(line_.column())) : "-");
  put_place();
}

void TextSink::put_place() {
  if (!place_.empty()) line_.put("  " + place_);
}

// At the end of the line, or below it if it does not fit.
void TextSink::put_remark(const std::string& text) {
  if (layout_.room_at(line_.column() + 2) < text.size()) return put_note(text);
  line_.put("  " + text);
}

// Prints a line of its own below the columns.
void TextSink::put_note(std::string_view text) {
  line_.below(layout_.note);
  line_.put_wide(text);
}

void TextSink::append(const StartRecord& start) {
  if (style_.replayed) {
    (void)clock_.new_date(start.when);
    line_.put_wide(recorded_text(start));
    if (style_.header) line_.below(0);
  }
  if (style_.header) put_header();
}

void TextSink::append(const TransitionRecord& record) {
  begin_line(record.when, record.socket);
  put_states(record);
  if (record.dwell) put_dwell(*record.dwell);
  put_process(process_of(record.socket.owner));
  if (record.retransmitted()) put_remark(handshake_text(record));
}

void TextSink::append(const ConnectionRecord& record) {
  if (only_connections_) {
    const SocketInfo& socket = record.socket;
    places_.see(socket.flow.netns, socket.cgroup);
    const std::string place = places_.text(socket.flow.netns, socket.cgroup);
    put_context(connections_.context(record, layout_, place));
    connections_.put(line_, record, layout_, place);
    return;
  }
  begin_line(record.when, record.socket);
  line_.go_to(layout_.change);
  line_.put_wide(connection_text(record));
  put_place();
}

void TextSink::append(const FlagRecord& record) {
  begin_line(record.when, record.socket);
  line_.go_to(layout_.change);
  line_.color(kGreen);
  line_.put(flag_name(record.kind, record.state));
  if (record.cause != Cause::None) {
    line_.put(" ");
    line_.put(name(record.cause));
  }
  if (record.mptcp) line_.put(" (MPTCP)");
  line_.put(" cleared");
  line_.color(kReset);
  put_dwell(record.dwell);
  put_process(process_of(record.socket.owner));
}

void TextSink::append_raised(const LeakGroup& group, const FlagRecord& oldest) {
  if (is_one(group)) {
    begin_line(oldest.when, oldest.socket);
  } else {
    places_.see(group.netns, group.cgroup);
    begin_line(oldest.when, group.local_port != 0 ? ':' + std::to_string(group.local_port) : "any",
               peer_text(group), places_.text(group.netns, group.cgroup));
  }
  line_.go_to(layout_.change);
  line_.color(color_of(group.cause));
  line_.put("STUCK ");
  line_.put(flag_name(oldest.kind, oldest.state));
  if (group.cause != Cause::None) {
    line_.put(" ");
    line_.put(name(group.cause));
  }
  if (group.mptcp) line_.put(" (MPTCP)");
  if (!is_one(group)) line_.put_wide(" ×" + format_number(group.count));
  line_.color(kReset);
  put_dwell(group.oldest);
  const std::string holder = group.holders.empty() ? "" : holder_text(group);
  if (holder.empty()) {
    put_process(process_of(group.owner));
  } else {
    line_.go_to(layout_.owner);
    line_.put_wide(shortened(holder, layout_.room_at(line_.column())));
    put_place();
  }
  const Explanation explanation = explain(group, true, style_.here);
  put_note(explanation.what);
  for (const std::string& line : where_lines(group)) put_note(line);
  put_note("next: " + explanation.next);
}

// One line with a count: failed connects come in storms.
void TextSink::append(const FailedConnectsRecord& record) {
  const Flow& flow = record.flow;
  if (record.one_destination)
    begin_line(record.when, format_address(flow.local, flow.family),
               format_endpoint(flow.remote, flow.family), "");
  else
    begin_line(record.when);
  line_.go_to(layout_.change);
  line_.color(kRed);
  line_.put("CONNECT FAILED");
  line_.color(kReset);
  line_.put(fmt::format(", {}: {}",
                        record.count == 1 ? "once" : format_number(record.count) + " times",
                        what_failed(record.reason)));
  put_process(record.process);
}

void TextSink::append(const LostRecord& record) {
  begin_line(record.when);
  line_.color(kRed);
  std::string_view comma;
  const auto say = [&](std::uint64_t count, const std::string& text) {
    if (count == 0) return;
    line_.put(std::exchange(comma, "; "));
    line_.put(text);
  };
  say(record.events, fmt::format("LOST {} events, {} of them transitions ({})", record.events,
                                 record.transitions, name(record.cause)));
  say(record.at_most, fmt::format("missed at most {} events, most of which the programs would "
                                  "ignore ({})",
                                  record.at_most, name(record.cause)));
  say(record.resynced,
      fmt::format("{} connections corrected by a snapshot after the loss", record.resynced));
  line_.color(kReset);
}

void TextSink::append(const ClockRecord& record) {
  begin_line(record.when);
  line_.color(kYellow);
  line_.put(suspended_text(record));
  line_.color(kReset);
}

void TextSink::append(const EndRecord&) {}

}  // namespace tcpdwell
