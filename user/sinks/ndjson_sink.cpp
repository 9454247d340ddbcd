// SPDX-License-Identifier: Apache-2.0
#include "sinks/ndjson_sink.h"

#include <array>
#include <charconv>
#include <ctime>

#include "sinks/dwell_order.h"
#include "sinks/escape.h"

namespace tcpdwell {
namespace {

template <typename Int>
void number(std::string& out, Int value, int base = 10) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, base).ptr;
  out.append(text.data(), end);
}

void quoted_key(std::string& out, std::string_view name) {
  out += '"';
  out += name;
  out += "\":";
}

void key(std::string& out, std::string_view name) {
  out += ',';
  quoted_key(out, name);
}

// Between the members of an object whose first one is not known beforehand.
struct Separator {
  bool first = true;
  void put(std::string& out) {
    if (!first) out += ',';
    first = false;
  }
};

template <typename Int>
void member(std::string& out, std::string_view name, Int value) {
  key(out, name);
  number(out, value);
}

// `text` is one of our own words: nothing to escape.
void word(std::string& out, std::string_view name, std::string_view text) {
  key(out, name);
  if (text.empty()) {
    out += "null";
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

void digits(std::string& out, std::int64_t value, int width) {
  std::array<char, 20> text;
  for (int i = width - 1; i >= 0; --i, value /= 10)
    text[static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
  out.append(text.data(), static_cast<std::size_t>(width));
}

// RFC 3339. The date changes once a second at the most: kept.
void append_time(std::string& out, Nanos unix_time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  struct Cache {
    std::int64_t second = -1;
    std::array<char, 24> text{};
  };
  thread_local Cache cache;
  const std::int64_t second = unix_time.count() / kSecond;
  if (second != cache.second) {
    std::tm utc{};
    const auto seconds = static_cast<std::time_t>(second);
    ::gmtime_r(&seconds, &utc);
    std::strftime(cache.text.data(), cache.text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
    cache.second = second;
  }
  out += cache.text.data();
  out += '.';
  digits(out, unix_time.count() % kSecond, 9);
  out += 'Z';
}

void head(std::string& out, std::string_view type, const When& when) {
  out += "{\"type\":\"";
  out += type;
  out += "\",\"time\":\"";
  append_time(out, when.unix_time);
  out += '"';
  member(out, "mono_ns", when.mono.count());
}

void endpoint(std::string& out, std::string_view name, const Endpoint& end, Family family) {
  key(out, name);
  out += "{\"addr\":\"";
  out += format_address(end, family);
  out += '"';
  member(out, "port", end.port);
  out += '}';
}

void owner(std::string& out, std::string_view name, const std::optional<Owner>& owner) {
  key(out, name);
  if (!owner) {
    out += "null";
    return;
  }
  out += "{\"pid\":";
  if (owner->process.pid != 0)
    number(out, owner->process.pid);
  else
    out += "null";
  out += ",\"comm\":";
  append_json_string(out, owner->process.comm_view());
  member(out, "uid", owner->process.uid);
  word(out, "via", tcpdwell::name(owner->via));
  out += '}';
}

void socket(std::string& out, const SocketInfo& info) {
  key(out, "cookie");
  if (info.cookie != 0) {
    out += '"';
    number(out, info.cookie, 16);
    out += '"';
  } else {
    out += "null";
  }
  member(out, "life", info.life);
  member(out, "netns", info.flow.netns);
  word(out, "family", info.flow.family == Family::Ipv4 ? "ipv4" : "ipv6");
  endpoint(out, "local", info.flow.local, info.flow.family);
  endpoint(out, "remote", info.flow.remote, info.flow.family);
  word(out, "role", name(info.role));
  owner(out, "owner", info.owner);
  key(out, "cgroup");
  if (info.cgroup.empty())
    out += "null";
  else
    append_json_string(out, info.cgroup);
}

void error(std::string& out, const std::optional<Nanos>& error) {
  if (error)
    number(out, error->count());
  else
    out += "null";
}

void append(std::string& out, const StartRecord& record) {
  head(out, "start", record.when);
  member(out, "schema", 1);
  for (const auto& [name, text] :
       {std::pair<std::string_view, const std::string&>{"version", record.version},
        {"kernel", record.kernel},
        {"host", record.host}}) {
    key(out, name);
    append_json_string(out, text);
  }
  member(out, "hz", record.hz);
  key(out, "thresholds_ns");
  out += '{';
  Separator comma;
  for (const auto& [state, threshold] : record.thresholds) {
    comma.put(out);
    quoted_key(out, name(state));
    number(out, threshold.count());
  }
  out += '}';
  key(out, "sees");
  out += '{';
  comma = {};
  for (const auto& [what, how] : record.sees) {
    comma.put(out);
    quoted_key(out, what);
    append_json_string(out, how);
  }
  out += "}}";
}

void append(std::string& out, const TransitionRecord& record) {
  head(out, "transition", record.when);
  socket(out, record.socket);
  word(out, "from", name(record.from));
  word(out, "to", name(record.to));
  key(out, "dwell_ns");
  if (record.dwell)
    number(out, record.dwell->value.count());
  else
    out += "null";
  key(out, "error_ns");
  error(out, record.dwell ? record.dwell->error : Nanos{0});
  word(out, "why", name(record.why));
  out += '}';
}

void append_dwells(std::string& out, const ConnectionRecord& record, bool errors) {
  key(out, errors ? "error_ns" : "dwell");
  out += '{';
  Separator comma;
  for (const State state : kDwellOrder) {
    const auto& dwell = record.dwell[index(state)];
    if (!dwell || (errors && dwell->error == Nanos{0})) continue;
    comma.put(out);
    quoted_key(out, name(state));
    if (errors)
      error(out, dwell->error);
    else
      number(out, dwell->value.count());
  }
  out += '}';
}

void append(std::string& out, const ConnectionRecord& record) {
  head(out, "connection", record.when);
  socket(out, record.socket);
  append_dwells(out, record, false);
  append_dwells(out, record, true);
  owner(out, "closer", record.closer);
  word(out, "opened_by", name(record.opened_by));
  word(out, "closed_by", name(record.closed_by));
  word(out, "ended", name(record.ended));
  word(out, "time_wait_ended", record.time_wait_ended ? name(*record.time_wait_ended) : "");
  if (record.tally) {
    member(out, "bytes_sent", record.tally->bytes_sent);
    member(out, "bytes_received", record.tally->bytes_received);
    member(out, "retransmits", record.tally->retransmits);
  } else {
    out += ",\"bytes_sent\":null,\"bytes_received\":null,\"retransmits\":null";
  }
  key(out, "srtt_us");
  if (record.tally && record.tally->srtt_us != 0)
    number(out, record.tally->srtt_us);
  else
    out += "null";
  out += '}';
}

void bytes(std::string& out, std::string_view name, const std::optional<std::uint64_t>& count) {
  key(out, name);
  if (count)
    number(out, *count);
  else
    out += "null";
}

void append(std::string& out, const FlagRecord& record) {
  head(out, "flag", record.when);
  socket(out, record.socket);
  word(out, "event", record.raised ? "raised" : "cleared");
  word(out, "state", name(record.state));
  member(out, "threshold_ns", record.threshold.count());
  member(out, "dwell_ns", record.dwell.value.count());
  key(out, "error_ns");
  error(out, record.dwell.error);
  word(out, "cause", name(record.cause));
  bytes(out, "unread_bytes", record.unread_bytes);
  bytes(out, "unsent_bytes", record.unsent_bytes);
  key(out, "holders");
  out += '[';
  Separator comma;
  for (const Holder& holder : record.holders) {
    comma.put(out);
    out += "{\"pid\":";
    number(out, holder.process.pid);
    member(out, "fd", holder.fd);
    key(out, "comm");
    append_json_string(out, holder.process.comm_view());
    out += '}';
  }
  out += ']';
  key(out, "by_exit");
  out += record.by_exit ? "true" : "false";
  out += '}';
}

void append(std::string& out, const LostRecord& record) {
  head(out, "lost", record.when);
  member(out, "events", record.events);
  member(out, "transitions", record.transitions);
  word(out, "cause", name(record.cause));
  member(out, "at_most", record.at_most);
  member(out, "resynced", record.resynced);
  out += '}';
}

void append(std::string& out, const EndRecord& record) {
  head(out, "end", record.when);
  member(out, "events", record.events);
  member(out, "transitions", record.transitions);
  member(out, "lost", record.lost);
  member(out, "transitions_lost", record.transitions_lost);
  member(out, "connections", record.connections);
  member(out, "open", record.open);
  member(out, "flags_raised", record.flags_raised);
  member(out, "flags_open", record.flags_open);
  key(out, "seconds");
  number(out, record.elapsed.count() / 1'000'000'000);
  out += '.';
  digits(out, record.elapsed.count() / 1000 % 1'000'000, 6);
  member(out, "evicted", record.evicted);
  member(out, "output_dropped", record.output_dropped);
  out += '}';
}

}  // namespace

void append_json(std::string& out, const Record& record) {
  std::visit([&out](const auto& r) { append(out, r); }, record);
}

void NdjsonSink::write(const Record& record) noexcept {
  if (!kinds_.want(record)) return;
  line_.clear();
  append_json(line_, record);
  line_ += '\n';
  output_.write(line_, std::holds_alternative<EndRecord>(record));
}

}  // namespace tcpdwell
