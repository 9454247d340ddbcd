// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sinks/dwell_order.h"
#include "sinks/escape.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kLocal = 13, kRemote = 32, kChange = 50, kDwellEnd = 85, kOwner = 86;
constexpr std::size_t kLongestState = 12;  // SYN_RECEIVED

constexpr std::string_view kReset = "\033[0m", kDim = "\033[2m", kRed = "\033[31m",
                           kYellow = "\033[33m", kGreen = "\033[32m";

std::string format_endpoint(const Endpoint& end, Family family, bool listener) {
  if (listener) return "*";
  std::string text = format_address(end, family);
  if (family == Family::Ipv6) text = '[' + text + ']';
  return text + ':' + (end.port != 0 ? std::to_string(end.port) : "?");
}

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

// An end that somebody should know of. What everybody expects is not worth a word.
bool is_remarkable(Why why) {
  switch (why) {
    case Why::Reset:
    case Why::Refused:
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
  line_.clear();
  column_ = 0;
  std::visit([this](const auto& r) { append(r); }, record);
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

void TextSink::put_time(const When& when) {
  const auto second = static_cast<std::time_t>(when.unix_time.count() / 1'000'000'000);
  if (second != second_) {
    std::tm local{};
    ::localtime_r(&second, &local);
    std::array<char, 16> text{};
    std::strftime(text.data(), text.size(), "%H:%M:%S", &local);
    clock_ = text.data();
    second_ = second;
  }
  put(clock_);
  put(fmt::format(".{:03}", when.unix_time.count() / 1'000'000 % 1000));
}

void TextSink::put_flow(const SocketInfo& socket) {
  go_to(kLocal);
  put(format_endpoint(socket.flow.local, socket.flow.family, false));
  go_to(kRemote);
  put(format_endpoint(socket.flow.remote, socket.flow.family, socket.role == Role::Listener));
}

void TextSink::put_states(const TransitionRecord& record) {
  go_to(kChange + kLongestState - name(record.from).size());  // arrows below each other
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
  std::string text = format_duration(dwell.value);
  std::size_t width = text.size();
  if (!dwell.error || dwell.error->count() != 0) {
    text.insert(0, dwell.error ? "~" : "≥");
    ++width;
  }
  go_to(kDwellEnd - std::min(width, kDwellEnd));
  put(text, width);
}

void TextSink::put_owner(const std::optional<Owner>& owner) {
  if (!owner) return put("-");
  std::string text;
  append_printable(text, owner->process.comm_view());
  if (owner->process.pid != 0) text += '[' + std::to_string(owner->process.pid) + ']';
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
  put(fmt::format("{} opened by {}, closed by {}: {}", name(record.socket.role),
                  name(record.opened_by), name(record.closed_by), name(record.ended)));
  if (record.time_wait_ended) put(fmt::format(", TIME_WAIT {}", name(*record.time_wait_ended)));
  for (const State state : kDwellOrder) {
    const auto& dwell = record.dwell[index(state)];
    if (!dwell) continue;
    const std::string_view mark = !dwell->error ? "≥" : dwell->error->count() != 0 ? "~" : "";
    put(fmt::format(", {} {}{}", name(state), mark, format_duration(dwell->value)));
  }
  if (record.tally)
    put(fmt::format(", sent {} B, received {} B", record.tally->bytes_sent,
                    record.tally->bytes_received));
  put(", ");
  put_owner(record.socket.owner);
}

void TextSink::append(const FlagRecord& record) {
  put_time(record.when);
  put_flow(record.socket);
}

void TextSink::append(const LostRecord& record) {
  put_time(record.when);
  go_to(kLocal);
  color(kRed);
  if (record.events != 0)
    put(fmt::format("LOST {} events, {} of them transitions ({})", record.events,
                    record.transitions, name(record.cause)));
  if (record.at_most != 0)
    put(fmt::format("{}at most {} events that would most likely have been ignored ({})",
                    record.events != 0 ? "; " : "missed ", record.at_most, name(record.cause)));
  color(kReset);
}

void TextSink::append(const EndRecord&) {}

}  // namespace tcpdwell
