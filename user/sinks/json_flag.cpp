// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_flag.h"

#include "sinks/escape.h"
#include "sinks/explain_closed.h"
#include "sinks/json_line.h"
#include "sinks/json_socket.h"
#include "sinks/json_where.h"

namespace tcpdwell::json {
namespace {

constexpr std::size_t kHolder = 160;
constexpr std::size_t kPid = 11;

char* other_end(char* out, const std::optional<OtherEnd>& end) {
  if (!end) return put(out, "null");
  out = put(out, "{\"pid\":");
  out = end->process.pid != 0 ? number(out, end->process.pid) : put(out, "null");
  out = put(out, ",\"comm\":");
  out = end->process.pid != 0 ? write_json_string(out, end->process.comm_view()) : put(out, "null");
  out = put(out, ",\"state\":");
  out = word(out, name(end->state));
  return put(out, '}');
}

char* queue(char* out, const std::optional<AcceptQueue>& queue) {
  if (!queue) return put(out, "null");
  out = put(out, "{\"length\":");
  out = number(out, queue->length);
  out = put(out, ",\"backlog\":");
  out = number(out, queue->backlog);
  out = put(out, ",\"syns_dropped\":");
  out = number(out, queue->syns_dropped);
  out = put(out, ",\"listener\":\"");
  out = hex(out, queue->listener);
  out = put(out, "\",\"port\":");
  out = number(out, queue->port);
  out = put(out, ",\"netns_listen_overflows\":");
  out = queue->counters ? number(out, queue->counters->overflows) : put(out, "null");
  out = put(out, ",\"netns_syn_cookies_sent\":");
  out = queue->counters ? number(out, queue->counters->cookies_sent) : put(out, "null");
  out = put(out, ",\"should_accept\":[");
  Separator comma;
  for (const std::uint32_t pid : queue->should_accept) {
    out = comma.put(out);
    out = number(out, pid);
  }
  return put(out, "]}");
}

}  // namespace

char* flag(char* out, const FlagRecord& record) {
  out = put(out, "{\"type\":\"flag\",\"time\":\"");
  out = head(out, record.when);
  out = socket(out, record.socket);
  out = put(out, ",\"event\":");
  out = word(out, record.raised ? "raised" : "cleared");
  out = put(out, ",\"flag\":");
  out = word(out, flag_name(record.kind, record.state));
  out = put(out, ",\"state\":");
  out = word(out, name(record.state));
  out = put(out, ",\"threshold_ns\":");
  out = number(out, record.threshold.count());
  out = put(out, ",\"dwell_ns\":");
  out = number(out, record.dwell.value.count());
  out = put(out, ",\"error_ns\":");
  out = error(out, record.dwell.error);
  out = put(out, ",\"at_most_ns\":");
  out = record.at_most ? number(out, record.at_most->count()) : put(out, "null");
  out = put(out, ",\"cause\":");
  out = word(out, name(record.cause));
  out = put(out, ",\"unread_bytes\":");
  out = count_or_null(out, record.unread_bytes);
  out = put(out, ",\"unsent_bytes\":");
  out = count_or_null(out, record.unsent_bytes);
  out = put(out, ",\"holders\":[");
  Separator comma;
  for (const Holder& holder : record.holders) {
    out = comma.put(out);
    out = put(out, "{\"pid\":");
    out = number(out, holder.process.pid);
    out = put(out, ",\"fd\":");
    out = number(out, holder.fd);
    out = put(out, ",\"comm\":");
    out = write_json_string(out, holder.process.comm_view());
    out = put(out, ",\"state\":");
    out = holder.state != 0 ? write_json_string(out, {&holder.state, 1}) : put(out, "null");
    out = put(out, '}');
  }
  out = put(out, "],\"other_end\":");
  out = other_end(out, record.other_end);
  out = put(out, ",\"queue\":");
  out = queue(out, record.queue);
  out = put(out, ",\"ended\":");
  out = word(out, record.state == State::Closed && record.ended != Ended::Unknown
                      ? name(record.ended)
                      : std::string_view());
  out = put(out, ",\"pending_error\":");
  out = word(out, record.pending_error != 0 ? errno_name(record.pending_error) : "");
  out = put(out, ",\"by_exit\":");
  out = text(out, record.by_exit ? "true" : "false");
  out = put(out, ",\"before_exit_ns\":");
  out = record.before_exit ? number(out, record.before_exit->count()) : put(out, "null");
  out = put(out, ",\"slow\":");
  out = text(out, record.slow ? "true" : "false");
  out = where(out, record);
  if (record.mptcp) out = put(out, ",\"mptcp\":true");
  out = put(out, '}');
  return out;
}

std::size_t room_for_flag(const FlagRecord& record) {
  const std::size_t pids = record.queue ? record.queue->should_accept.size() : 0;
  return kHolder * record.holders.size() + kPid * pids + room_for_where(record);
}

}  // namespace tcpdwell::json
