// SPDX-License-Identifier: Apache-2.0
#include "sinks/ndjson_sink.h"

#include <utility>

#include "sinks/dwell_order.h"
#include "sinks/escape.h"

namespace tcpdwell {
namespace {

// Between the members of an object whose first one is not known beforehand.
struct Separator {
  bool first = true;
  void put(JsonLine& out) {
    if (!first) out.put(',');
    first = false;
  }
};

void quoted_key(JsonLine& out, std::string_view name) {
  out.put('"');
  out.text(name);
  out.put("\":");
}

void head(JsonLine& out, const When& when) {
  out.time(when.unix_time);
  out.put("\",\"mono_ns\":");
  out.number(when.mono.count());
}

void owner(JsonLine& out, const std::optional<Owner>& owner) {
  if (!owner) return out.put("null");
  out.put("{\"pid\":");
  if (owner->process.pid != 0)
    out.number(owner->process.pid);
  else
    out.put("null");
  out.put(",\"comm\":");
  out.string(owner->process.comm_view());
  out.put(",\"uid\":");
  out.number(owner->process.uid);
  out.put(",\"via\":");
  out.word(name(owner->via));
  out.put('}');
}

void endpoint(JsonLine& out, const Endpoint& end, Family family) {
  out.address(end, family);
  out.put("\",\"port\":");
  out.number(end.port);
}

void socket(JsonLine& out, const SocketInfo& info) {
  if (info.cookie != 0) {
    out.put(",\"cookie\":\"");
    out.number(info.cookie, 16);
    out.put("\",\"life\":");
  } else {
    out.put(",\"cookie\":null,\"life\":");
  }
  out.number(info.life);
  out.put(",\"netns\":");
  out.number(info.flow.netns);
  if (info.flow.family == Family::Ipv4)
    out.put(",\"family\":\"ipv4\",\"local\":{\"addr\":\"");
  else
    out.put(",\"family\":\"ipv6\",\"local\":{\"addr\":\"");
  endpoint(out, info.flow.local, info.flow.family);
  out.put("},\"remote\":{\"addr\":\"");
  endpoint(out, info.flow.remote, info.flow.family);
  out.put("},\"role\":");
  out.word(name(info.role));
  out.put(",\"owner\":");
  owner(out, info.owner);
  out.put(",\"cgroup\":");
  if (info.cgroup.empty())
    out.put("null");
  else
    out.string(info.cgroup);
}

void error(JsonLine& out, const std::optional<Nanos>& error) {
  if (error)
    out.number(error->count());
  else
    out.put("null");
}

void append(JsonLine& out, const StartRecord& record) {
  out.put("{\"type\":\"start\",\"time\":\"");
  head(out, record.when);
  out.put(",\"schema\":1,\"version\":");
  out.string(record.version);
  out.put(",\"kernel\":");
  out.string(record.kernel);
  out.put(",\"host\":");
  out.string(record.host);
  out.put(",\"hz\":");
  out.number(record.hz);
  out.put(",\"thresholds_ns\":{");
  Separator comma;
  for (const auto& [state, threshold] : record.thresholds) {
    comma.put(out);
    quoted_key(out, name(state));
    out.number(threshold.count());
  }
  out.put("},\"sees\":{");
  comma = {};
  for (const auto& [what, how] : record.sees) {
    comma.put(out);
    quoted_key(out, what);
    out.string(how);
  }
  out.put("}}");
}

void append(JsonLine& out, const TransitionRecord& record) {
  out.put("{\"type\":\"transition\",\"time\":\"");
  head(out, record.when);
  socket(out, record.socket);
  out.put(",\"from\":");
  out.word(name(record.from));
  out.put(",\"to\":");
  out.word(name(record.to));
  out.put(",\"dwell_ns\":");
  if (record.dwell)
    out.number(record.dwell->value.count());
  else
    out.put("null");
  out.put(",\"error_ns\":");
  error(out, record.dwell ? record.dwell->error : Nanos{0});
  out.put(",\"why\":");
  out.word(name(record.why));
  out.put('}');
}

void append_dwells(JsonLine& out, const ConnectionRecord& record, bool errors) {
  out.put('{');
  Separator comma;
  for (const State state : kDwellOrder) {
    const auto& dwell = record.dwell[index(state)];
    if (!dwell || (errors && dwell->error == Nanos{0})) continue;
    comma.put(out);
    quoted_key(out, name(state));
    if (errors)
      error(out, dwell->error);
    else
      out.number(dwell->value.count());
  }
  out.put('}');
}

void append(JsonLine& out, const ConnectionRecord& record) {
  out.put("{\"type\":\"connection\",\"time\":\"");
  head(out, record.when);
  socket(out, record.socket);
  out.put(",\"dwell\":");
  append_dwells(out, record, false);
  out.put(",\"error_ns\":");
  append_dwells(out, record, true);
  out.put(",\"closer\":");
  owner(out, record.closer);
  out.put(",\"opened_by\":");
  out.word(name(record.opened_by));
  out.put(",\"closed_by\":");
  out.word(name(record.closed_by));
  out.put(",\"ended\":");
  out.word(name(record.ended));
  out.put(",\"time_wait_ended\":");
  out.word(record.time_wait_ended ? name(*record.time_wait_ended) : "");
  if (record.tally) {
    out.put(",\"bytes_sent\":");
    out.number(record.tally->bytes_sent);
    out.put(",\"bytes_received\":");
    out.number(record.tally->bytes_received);
    out.put(",\"retransmits\":");
    out.number(record.tally->retransmits);
  } else {
    out.put(",\"bytes_sent\":null,\"bytes_received\":null,\"retransmits\":null");
  }
  out.put(",\"srtt_us\":");
  if (record.tally && record.tally->srtt_us != 0)
    out.number(record.tally->srtt_us);
  else
    out.put("null");
  out.put('}');
}

void count_or_null(JsonLine& out, const std::optional<std::uint64_t>& count) {
  if (count)
    out.number(*count);
  else
    out.put("null");
}

void append(JsonLine& out, const FlagRecord& record) {
  out.put("{\"type\":\"flag\",\"time\":\"");
  head(out, record.when);
  socket(out, record.socket);
  out.put(",\"event\":");
  out.word(record.raised ? "raised" : "cleared");
  out.put(",\"state\":");
  out.word(name(record.state));
  out.put(",\"threshold_ns\":");
  out.number(record.threshold.count());
  out.put(",\"dwell_ns\":");
  out.number(record.dwell.value.count());
  out.put(",\"error_ns\":");
  error(out, record.dwell.error);
  out.put(",\"cause\":");
  out.word(name(record.cause));
  out.put(",\"unread_bytes\":");
  count_or_null(out, record.unread_bytes);
  out.put(",\"unsent_bytes\":");
  count_or_null(out, record.unsent_bytes);
  out.put(",\"holders\":[");
  Separator comma;
  for (const Holder& holder : record.holders) {
    comma.put(out);
    out.put("{\"pid\":");
    out.number(holder.process.pid);
    out.put(",\"fd\":");
    out.number(holder.fd);
    out.put(",\"comm\":");
    out.string(holder.process.comm_view());
    out.put('}');
  }
  out.put("],\"by_exit\":");
  out.text(record.by_exit ? "true" : "false");
  out.put('}');
}

void append(JsonLine& out, const LostRecord& record) {
  out.put("{\"type\":\"lost\",\"time\":\"");
  head(out, record.when);
  out.put(",\"events\":");
  out.number(record.events);
  out.put(",\"transitions\":");
  out.number(record.transitions);
  out.put(",\"cause\":");
  out.word(name(record.cause));
  out.put(",\"at_most\":");
  out.number(record.at_most);
  out.put(",\"resynced\":");
  out.number(record.resynced);
  out.put('}');
}

void append(JsonLine& out, const EndRecord& record) {
  out.put("{\"type\":\"end\",\"time\":\"");
  head(out, record.when);
  for (const auto& [name, value] :
       {std::pair<std::string_view, std::uint64_t>{"events", record.events},
        {"transitions", record.transitions},
        {"lost", record.lost},
        {"transitions_lost", record.transitions_lost},
        {"connections", record.connections},
        {"open", record.open},
        {"flags_raised", record.flags_raised},
        {"flags_open", record.flags_open}}) {
    out.put(',');
    quoted_key(out, name);
    out.number(value);
  }
  out.put(",\"seconds\":");
  out.number(record.elapsed.count() / 1'000'000'000);
  out.put('.');
  out.digits(static_cast<std::uint32_t>(record.elapsed.count() / 1000 % 1'000'000), 6);
  out.put(",\"evicted\":");
  out.number(record.evicted);
  out.put(",\"output_dropped\":");
  out.number(record.output_dropped);
  out.put('}');
}

// How long a line can get: our own words and numbers, and the bytes of others at their worst.
constexpr std::size_t kPlain = 2048;
constexpr std::size_t kHolder = 160;

std::size_t room_for(const SocketInfo& socket) { return kPlain + json_string_room(socket.cgroup); }
std::size_t room_for(const TransitionRecord& record) { return room_for(record.socket); }
std::size_t room_for(const ConnectionRecord& record) { return room_for(record.socket); }
std::size_t room_for(const FlagRecord& record) {
  return room_for(record.socket) + kHolder * record.holders.size();
}
std::size_t room_for(const StartRecord& record) {
  return 2 * kPlain + json_string_room(record.version) + json_string_room(record.kernel) +
         json_string_room(record.host);
}
std::size_t room_for(const LostRecord&) { return kPlain; }
std::size_t room_for(const EndRecord&) { return kPlain; }

}  // namespace

void write_json(JsonLine& line, const Record& record) {
  std::visit(
      [&line](const auto& r) {
        line.begin(room_for(r) + 1);
        append(line, r);
      },
      record);
}

void NdjsonSink::write(const Record& record) noexcept {
  if (!kinds_.want(record)) return;
  write_json(line_, record);
  line_.put('\n');
  output_.write(line_.text(), std::holds_alternative<EndRecord>(record));
}

}  // namespace tcpdwell
