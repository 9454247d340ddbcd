// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_connections.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "sinks/escape.h"
#include "sinks/text_wrap.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kPid = 7, kComm = 16, kPort = 5, kBytes = 6, kMs = 9;
constexpr std::size_t kLongestEnd = 14;                     // reset_received
constexpr std::size_t kAddress = 15, kLongestAddress = 39;  // IPv4, IPv6
constexpr std::size_t kLeastComm = 9;
constexpr std::size_t kFixed = kPid + 2 * kPort + 2 * kBytes + kMs + kLongestEnd + 9;  // with gaps

struct Widths {
  std::size_t comm = kComm;
  std::size_t address = kAddress;  // 0: in a line above
};

Widths widths_for(const TextLayout& layout) {
  Widths widths;
  if (layout.width == 0) return widths;
  if (layout.width < kFixed + kLeastComm + 2 * kAddress) {
    widths.address = 0;
    return widths;
  }
  const std::size_t spare = layout.width - kFixed;
  widths.comm = std::min(kComm, spare - 2 * kAddress);
  widths.address = std::min(kLongestAddress, (spare - widths.comm) / 2);
  return widths;
}

bool is_listener(const ConnectionRecord& record) { return record.socket.role == Role::Listener; }

std::string local_address(const ConnectionRecord& record) {
  return format_address(record.socket.flow.local, record.socket.flow.family);
}

std::string remote_address(const ConnectionRecord& record) {
  return is_listener(record) ? "*"
                             : format_address(record.socket.flow.remote, record.socket.flow.family);
}

bool have_columns(const ConnectionRecord& record, const TextLayout& layout, const Widths& widths) {
  if (layout.width == 0) return true;
  return local_address(record).size() <= widths.address &&
         remote_address(record).size() <= widths.address;
}

// As tcplife counts it: a TIME_WAIT is not part of it. A listener only listens. "-" if all before
// TIME_WAIT was before the trace.
std::string milliseconds_text(const ConnectionRecord& record) {
  Dwell sum;
  bool any = false;
  for (std::size_t i = 0; i < kStates; ++i) {
    const auto& dwell = record.dwell[i];
    if (!dwell || (i == index(State::Listen) && !is_listener(record)) ||
        i == index(State::TimeWait))
      continue;
    any = true;
    sum.value += dwell->value;
    sum.error =
        sum.error && dwell->error ? std::optional(*sum.error + *dwell->error) : std::nullopt;
  }
  if (!any) return "-";
  const std::string dwell = format_dwell(sum);
  const std::string mark = dwell.starts_with("≥") ? "≥" : dwell.starts_with("~") ? "~" : "";
  const double ms = static_cast<double>(sum.value.count()) / 1e6;
  return mark + fmt::format("{:.{}f}", ms, ms < 99'999 ? 2 : 0);
}

std::string port_text(std::uint16_t port) { return port != 0 ? std::to_string(port) : "?"; }

// Writes the cells one after another; each at its column, if the earlier ones leave it room.
class Cells {
 public:
  explicit Cells(TextLine& line) : line_(line) {}
  void left(std::string_view text, std::size_t width) {
    line_.go_to(at_);
    line_.put_wide(text);
    at_ += width + 1;
  }
  void right(std::string_view text, std::size_t width) {
    line_.put_right(text, at_ + width);
    at_ += width + 1;
  }

 private:
  TextLine& line_;
  std::size_t at_ = 0;
};

}  // namespace

void ConnectionColumns::put_header(TextLine& line, const TextLayout& layout) const {
  const Widths widths = widths_for(layout);
  if (widths.address == 0) {
    line.put_wide("LADDR → RADDR");
    line.below(0);
  }
  Cells cells(line);
  cells.left("PID", kPid);
  cells.left("COMM", widths.comm);
  if (widths.address > 0) cells.left("LADDR", widths.address);
  cells.right("LPORT", kPort);
  if (widths.address > 0) cells.left("RADDR", widths.address);
  cells.right("RPORT", kPort);
  cells.right("TX", kBytes);
  cells.right("RX", kBytes);
  cells.right("MS", kMs);
  cells.left("ENDED", 0);
}

std::string ConnectionColumns::context(const ConnectionRecord& record, const TextLayout& layout,
                                       const std::string& place) const {
  if (layout.width == 0) return "";
  std::string text;
  if (!have_columns(record, layout, widths_for(layout)))
    text = local_address(record) + " → " + remote_address(record);
  if (!place.empty()) text += (text.empty() ? "" : "  ") + place;
  return text;
}

void ConnectionColumns::put(TextLine& line, const ConnectionRecord& record,
                            const TextLayout& layout, const std::string& place) const {
  const Widths widths = widths_for(layout);
  const bool addresses = have_columns(record, layout, widths);
  const auto& owner = record.socket.owner;
  std::string comm;
  if (owner) append_printable(comm, owner->process.comm_view());
  Cells cells(line);
  cells.left(owner && owner->process.pid != 0 ? std::to_string(owner->process.pid) : "-", kPid);
  cells.left(owner ? shortened(comm, widths.comm) : "-", widths.comm);
  if (widths.address > 0) cells.left(addresses ? local_address(record) : "", widths.address);
  cells.right(port_text(record.socket.flow.local.port), kPort);
  if (widths.address > 0) cells.left(addresses ? remote_address(record) : "", widths.address);
  const bool tally = record.tally && !is_listener(record);
  cells.right(is_listener(record) ? "*" : port_text(record.socket.flow.remote.port), kPort);
  cells.right(tally ? format_size(record.tally->bytes_sent) : "-", kBytes);
  cells.right(tally ? format_size(record.tally->bytes_received) : "-", kBytes);
  cells.right(milliseconds_text(record), kMs);
  cells.left(name(record.ended), 0);
  if (layout.width == 0 && !place.empty()) line.put_wide("  " + place);
}

}  // namespace tcpdwell
