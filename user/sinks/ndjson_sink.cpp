// SPDX-License-Identifier: Apache-2.0
#include "sinks/ndjson_sink.h"

#include <utility>

#include "model/dwell_order.h"
#include "sinks/escape.h"
#include "sinks/json_flag.h"
#include "sinks/json_socket.h"

namespace tcpdwell {
namespace {

using namespace json;

char* append(char* out, const StartRecord& record) {
  out = put(out, "{\"type\":\"start\",\"time\":\"");
  out = head(out, record.when);
  out = put(out, ",\"schema\":1,\"version\":");
  out = write_json_string(out, record.version);
  out = put(out, ",\"kernel\":");
  out = write_json_string(out, record.kernel);
  out = put(out, ",\"host\":");
  out = write_json_string(out, record.host);
  out = put(out, ",\"hz\":");
  out = number(out, record.hz);
  out = put(out, ",\"thresholds_ns\":{");
  Separator comma;
  for (const auto& [flag, threshold] : record.thresholds) {
    out = comma.put(out);
    out = quoted_key(out, flag);
    out = number(out, threshold.count());
  }
  out = put(out, "},\"sees\":{");
  comma = {};
  for (const auto& [what, how] : record.sees) {
    out = comma.put(out);
    out = quoted_key(out, what);
    out = write_json_string(out, how);
  }
  out = put(out, "}}");
  return out;
}

char* append(char* out, const TransitionRecord& record) {
  out = put(out, "{\"type\":\"transition\",\"time\":\"");
  out = head(out, record.when);
  out = socket(out, record.socket);
  out = change(out, record.from, record.to);
  out = put(out, ",\"dwell_ns\":");
  if (record.dwell)
    out = number(out, record.dwell->value.count());
  else
    out = put(out, "null");
  out = put(out, ",\"error_ns\":");
  out = error(out, record.dwell ? record.dwell->error : Nanos{0});
  out = put(out, ",\"why\":");
  out = word(out, name(record.why));
  if (record.syns_sent == 0) return put(out, ",\"syn_retransmits\":null}");
  out = put(out, ",\"syn_retransmits\":");
  out = number(out, record.syns_sent - 1);
  if (const auto& queue = record.full_queue) {
    out = put(out, ",\"accept_queue_full\":{\"listener\":\"");
    out = hex(out, queue->listener);
    out = put(out, "\",\"length\":");
    out = number(out, queue->length);
    out = put(out, ",\"backlog\":");
    out = number(out, queue->backlog);
    out = put(out, '}');
  }
  return put(out, '}');
}

char* append_dwells(char* out, const ConnectionRecord& record, bool errors) {
  out = put(out, '{');
  Separator comma;
  for (const State state : kDwellOrder) {
    const auto& dwell = record.dwell[index(state)];
    if (!dwell || (errors && dwell->error == Nanos{0})) continue;
    out = comma.put(out);
    out = quoted_key(out, name(state));
    if (errors)
      out = error(out, dwell->error);
    else
      out = number(out, dwell->value.count());
  }
  out = put(out, '}');
  return out;
}

char* append(char* out, const ConnectionRecord& record) {
  out = put(out, "{\"type\":\"connection\",\"time\":\"");
  out = head(out, record.when);
  out = socket(out, record.socket);
  out = put(out, ",\"dwell\":");
  out = append_dwells(out, record, false);
  out = put(out, ",\"error_ns\":");
  out = append_dwells(out, record, true);
  out = put(out, ",\"closer\":");
  out = owner(out, record.closer);
  out = put(out, ",\"opened_by\":");
  out = word(out, name(record.opened_by));
  out = put(out, ",\"closed_by\":");
  out = word(out, name(record.closed_by));
  out = put(out, ",\"ended\":");
  out = word(out, name(record.ended));
  out = put(out, ",\"time_wait_ended\":");
  out = word(out, record.time_wait_ended ? name(*record.time_wait_ended) : "");
  if (record.tally) {
    out = put(out, ",\"bytes_sent\":");
    out = number(out, record.tally->bytes_sent);
    out = put(out, ",\"bytes_received\":");
    out = number(out, record.tally->bytes_received);
    out = put(out, ",\"retransmits\":");
    out = number(out, record.tally->retransmits);
  } else {
    out = put(out, ",\"bytes_sent\":null,\"bytes_received\":null,\"retransmits\":null");
  }
  out = put(out, ",\"srtt_us\":");
  if (record.tally && record.tally->srtt_us != 0)
    out = number(out, record.tally->srtt_us);
  else
    out = put(out, "null");
  out = put(out, '}');
  return out;
}

char* append(char* out, const FlagRecord& record) { return flag(out, record); }

char* append(char* out, const FailedConnectsRecord& record) {
  out = put(out, "{\"type\":\"connects_failed\",\"time\":\"");
  out = head(out, record.when);
  if (record.one_destination) {
    out = put(out, ",\"netns\":");
    out = number(out, record.flow.netns);
    out = put(out, ",\"family\":");
    out = word(out, record.flow.family == Family::Ipv4 ? "ipv4" : "ipv6");
    out = put(out, ",\"local\":\"");
    out = address(out, record.flow.local, record.flow.family);
    out = put(out, "\",\"remote\":{\"addr\":\"");
    out = address(out, record.flow.remote, record.flow.family);
    out = put(out, "\",\"port\":");
    out = number(out, record.flow.remote.port);
    out = put(out, '}');
  } else {
    out = put(out, ",\"netns\":null,\"family\":null,\"local\":null,\"remote\":null");
  }
  out = put(out, ",\"owner\":");
  out = owner(out,
              record.process ? std::optional(Owner{*record.process, Via::Connect}) : std::nullopt);
  out = put(out, ",\"reason\":");
  out = word(out, name(record.reason));
  out = put(out, ",\"count\":");
  out = number(out, record.count);
  return put(out, '}');
}

char* append(char* out, const LostRecord& record) {
  out = put(out, "{\"type\":\"lost\",\"time\":\"");
  out = head(out, record.when);
  out = put(out, ",\"events\":");
  out = number(out, record.events);
  out = put(out, ",\"transitions\":");
  out = number(out, record.transitions);
  out = put(out, ",\"cause\":");
  out = word(out, name(record.cause));
  out = put(out, ",\"at_most\":");
  out = number(out, record.at_most);
  out = put(out, ",\"resynced\":");
  out = number(out, record.resynced);
  out = put(out, '}');
  return out;
}

char* append(char* out, const ClockRecord& record) {
  out = put(out, "{\"type\":\"clock\",\"time\":\"");
  out = head(out, record.when);
  out = put(out, ",\"suspended_ns\":");
  out = number(out, record.suspended.count());
  return put(out, '}');
}

char* longest(char* out, const std::vector<Longest>& all) {
  out = put(out, ",\"longest\":[");
  Separator comma;
  for (const Longest& one : all) {
    out = comma.put(out);
    out = put(out, "{\"state\":");
    out = word(out, name(one.state));
    out = put(out, ",\"dwell_ns\":");
    out = number(out, one.dwell.count());
    out = socket(out, one.socket);
    out = put(out, '}');
  }
  return put(out, ']');
}

char* append(char* out, const std::vector<WatchedState>& watched) {
  out = put(out, ",\"watched\":[");
  Separator comma;
  for (const WatchedState& state : watched) {
    out = comma.put(out);
    out = put(out, "{\"flag\":");
    out = word(out, flag_name(state.kind, state.state));
    for (const auto& [name, value] :
         {std::pair<std::string_view, std::uint64_t>{"threshold_ns", state.threshold.count()},
          {"sockets", state.sockets},
          {"oldest_ns", state.oldest.count()},
          {"unknown_age", state.unknown_age}}) {
      out = put(out, ',');
      out = quoted_key(out, name);
      out = number(out, value);
    }
    out = put(out, '}');
  }
  return put(out, ']');
}

char* append(char* out, const EndRecord& record) {
  out = put(out, "{\"type\":\"end\",\"time\":\"");
  out = head(out, record.when);
  for (const auto& [name, value] :
       {std::pair<std::string_view, std::uint64_t>{"events", record.events},
        {"transitions", record.transitions},
        {"lost", record.lost},
        {"transitions_lost", record.transitions_lost},
        {"connections", record.connections},
        {"open", record.open},
        {"flags_raised", record.flags_raised},
        {"flags_open", record.flags_open}}) {
    out = put(out, ',');
    out = quoted_key(out, name);
    out = number(out, value);
  }
  out = put(out, ",\"seconds\":");
  out = number(out, record.elapsed.count() / 1'000'000'000);
  out = put(out, '.');
  out = digits(out, static_cast<std::uint32_t>(record.elapsed.count() / 1000 % 1'000'000), 6);
  out = put(out, ",\"evicted\":");
  out = number(out, record.evicted);
  out = put(out, ",\"unseen\":");
  out = number(out, record.unseen);
  out = put(out, ",\"corrected\":");
  out = number(out, record.corrected);
  out = put(out, ",\"mptcp_not_judged\":");
  out = number(out, record.mptcp_not_judged);
  out = put(out, ",\"output_dropped\":");
  out = number(out, record.output_dropped);
  if (!record.longest.empty()) out = longest(out, record.longest);
  if (record.watched) out = append(out, *record.watched);
  if (record.truncated) out = put(out, ",\"truncated\":true");
  out = put(out, '}');
  return out;
}

// Maximum size of a line: fixed words and numbers, and the worst case of escaped bytes.
constexpr std::size_t kPlain = 2048;
constexpr std::size_t kWatched = 192;

std::size_t room_for(const SocketInfo& socket) { return kPlain + json_string_room(socket.cgroup); }
std::size_t room_for(const TransitionRecord& record) { return room_for(record.socket); }
std::size_t room_for(const ConnectionRecord& record) { return room_for(record.socket); }
std::size_t room_for(const FlagRecord& record) {
  return room_for(record.socket) + room_for_flag(record);
}
std::size_t room_for(const StartRecord& record) {
  return 2 * kPlain + json_string_room(record.version) + json_string_room(record.kernel) +
         json_string_room(record.host);
}
std::size_t room_for(const FailedConnectsRecord&) { return kPlain; }
std::size_t room_for(const LostRecord&) { return kPlain; }
std::size_t room_for(const ClockRecord&) { return kPlain; }
std::size_t room_for(const EndRecord& record) {
  return kPlain * (1 + record.longest.size()) +
         kWatched * (record.watched ? record.watched->size() : 0);
}

}  // namespace

namespace {

template <typename Each>
void write_json(JsonLine& line, const Each& record) {
  line.end(put(append(line.begin(room_for(record) + 1), record), '\n'));
}

}  // namespace

void write_json(JsonLine& line, const Record& record) {
  std::visit([&line](const auto& each) { write_json(line, each); }, record);
}

void NdjsonSink::write(const Record& record) noexcept {
  if (!kinds_.want(record)) return;
  if (const auto* const end = std::get_if<EndRecord>(&record)) return write_end(*end);
  std::visit(
      [this](const auto& each) {
        if (char* const place = output_.place(room_for(each) + 1)) {
          output_.commit(static_cast<std::size_t>(put(append(place, each), '\n') - place));
        } else {
          write_json(line_, each);
          output_.write(line_.text());
        }
      },
      record);
}

// The end of a run resolves pending ends. Their lines may be dropped, too, so the count of drops is
// final only now.
void NdjsonSink::write_end(EndRecord end) noexcept {
  end.output_dropped = output_.dropped_lines();
  write_json(line_, end);
  output_.write(line_.text(), true);
}

}  // namespace tcpdwell
