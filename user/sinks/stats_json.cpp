// SPDX-License-Identifier: Apache-2.0
#include "sinks/stats_json.h"

#include <utility>

#include "model/dwell_order.h"
#include "sinks/escape.h"
#include "sinks/json_socket.h"

namespace tcpdwell {
namespace {

using namespace json;

char* member(char* out, std::string_view name, std::uint64_t value) {
  out = put(out, ",\"");
  out = text(out, name);
  out = put(out, "\":");
  return number(out, value);
}

char* spread(char* out, const DwellSpread& dwell) {
  if (dwell.count == 0) return put(out, "null");
  out = put(out, "{\"min\":");
  out = number(out, dwell.min.count());
  for (const auto& [name, value] : {std::pair<std::string_view, Nanos>{"p50", dwell.p50},
                                    {"p90", dwell.p90},
                                    {"p99", dwell.p99},
                                    {"max", dwell.max}})
    out = member(out, name, static_cast<std::uint64_t>(value.count()));
  return put(out, '}');
}

char* buckets(char* out, const std::vector<std::pair<Nanos, std::uint64_t>>& all) {
  out = put(out, ",\"buckets\":[");
  bool first = true;
  for (const auto& [upper, count] : all) {
    if (!std::exchange(first, false)) out = put(out, ',');
    out = put(out, '[');
    out = number(out, upper.count());
    out = put(out, ',');
    out = number(out, count);
    out = put(out, ']');
  }
  return put(out, ']');
}

char* element(char* out, const StatsRow& row) {
  out = put(out, "{\"key\":");
  if (row.key)
    out = write_json_string(out, *row.key);
  else
    out = put(out, "null");
  if (row.other) out = put(out, ",\"other\":true");
  out = put(out, ",\"state\":");
  out = word(out, name(row.state));
  for (const auto& [name, value] :
       {std::pair<std::string_view, std::uint64_t>{"entered", row.entered},
        {"left", row.left},
        {"now", row.now},
        {"flagged", row.flagged},
        {"inexact", row.inexact}})
    out = member(out, name, value);
  out = put(out, ",\"dwell_ns\":");
  out = spread(out, row.dwell);
  if (row.buckets) out = buckets(out, *row.buckets);
  return put(out, '}');
}

char* forecast(char* out, const PortUse& use) {
  const PortForecast& said = use.forecast;
  const bool levels = said.outlook == Outlook::LevelsOff || said.outlook == Outlook::NearLimit;
  const auto left = use.failed != 0 ? std::optional(Nanos{0}) : said.runs_out_in;
  out = put(out, ",\"forecast\":");
  out = word(out, use.failed != 0 ? "exhausted" : name(said.outlook));
  out = put(out, ",\"levels_off_at\":");
  out = levels && use.failed == 0 ? number(out, said.level) : put(out, "null");
  out = put(out, ",\"if_held\":");
  out = text(out, said.if_held && use.failed == 0 ? "true" : "false");
  out = put(out, ",\"exhausted_in_ns\":");
  return left ? number(out, left->count()) : put(out, "null");
}

char* element(char* out, const PortUse& use) {
  const Family family = use.site.family;
  out = put(out, "{\"netns\":");
  out = number(out, use.site.netns);
  out = put(out, ",\"family\":");
  out = word(out, family == Family::Ipv4 ? "ipv4" : "ipv6");
  out = put(out, ",\"local\":\"");
  out = address(out, {use.site.local, 0}, family);
  out = put(out, "\",\"remote\":{\"addr\":\"");
  out = address(out, use.remote, family);
  out = put(out, "\",\"port\":");
  out = number(out, use.remote.port);
  out = put(out, "},\"used\":");
  out = number(out, use.used);
  out = put(out, ",\"states\":{");
  bool first = true;
  for (const State state : kDwellOrder) {
    if (use.states[index(state)] == 0) continue;
    if (!std::exchange(first, false)) out = put(out, ',');
    out = word(out, name(state));
    out = put(out, ':');
    out = number(out, use.states[index(state)]);
  }
  out = put(out, "},\"range\":{\"low\":");
  out = number(out, use.range.low);
  out = member(out, "high", use.range.high);
  out = member(out, "reserved", use.range.reserved);
  out = put(out, '}');
  out = member(out, "size", use.range.size());
  out = member(out, "bound", use.bound);
  out = member(out, "capacity", use.capacity());
  out = member(out, "reusable", use.reusable);
  out = member(out, "failed", use.failed);
  return put(forecast(out, use), '}');
}

char* element(char* out, const FailedConnectsRecord& failed) {
  out = put(out, "{\"owner\":");
  out = owner(out,
              failed.process ? std::optional(Owner{*failed.process, Via::Connect}) : std::nullopt);
  out = put(out, ",\"reason\":");
  out = word(out, name(failed.reason));
  out = member(out, "count", failed.count);
  return put(out, '}');
}

char* element(char* out, const FullQueue& queue) {
  out = put(out, "{\"listener\":\"");
  out = hex(out, queue.listener);
  out = put(out, "\",\"netns\":");
  out = number(out, queue.flow.netns);
  out = put(out, ",\"family\":");
  out = word(out, queue.flow.family == Family::Ipv4 ? "ipv4" : "ipv6");
  out = put(out, ",\"local\":{\"addr\":\"");
  out = address(out, queue.flow.local, queue.flow.family);
  out = put(out, "\",\"port\":");
  out = number(out, queue.flow.local.port);
  out = put(out, '}');
  out = member(out, "length", queue.length);
  out = member(out, "backlog", queue.backlog);
  out = member(out, "syns_dropped", queue.syns_dropped);
  return put(out, '}');
}

template <typename T>
char* list(char* out, const std::vector<T>& all) {
  bool first = true;
  for (const T& one : all) {
    if (!std::exchange(first, false)) out = put(out, ',');
    out = element(out, one);
  }
  return out;
}

// How long it can get.
std::size_t room_for(const StatsRecord& record) {
  constexpr std::size_t kHead = 512, kRow = 512, kPort = 1024, kBucket = 48;
  std::size_t room = kHead + kPort * (record.ports.size() + record.connects_failed.size());
  if (record.accept_queues_full) room += kRow * record.accept_queues_full->size();
  for (const StatsRow& row : record.rows)
    room += kRow + (row.key ? json_string_room(*row.key) : 0) +
            (row.buckets ? kBucket * row.buckets->size() : 0);
  return room;
}

}  // namespace

void StatsJson::write(const StatsRecord& record) noexcept {
  char* out = line_.begin(room_for(record));
  out = put(out, "{\"type\":\"stats\",\"time\":\"");
  out = time(out, record.when.unix_time);
  out = put(out, "\",\"mono_ns\":");
  out = number(out, record.when.mono.count());
  out = put(out, ",\"interval_ns\":");
  out = number(out, record.interval.count());
  if (record.total) out = put(out, ",\"total\":true");
  out = put(out, ",\"by\":");
  out = word(out, name(record.by));
  out = put(out, ",\"rows\":[");
  out = list(out, record.rows);
  out = put(out, "],\"ports\":[");
  out = list(out, record.ports);
  out = put(out, "],\"connects_failed\":[");
  out = list(out, record.connects_failed);
  out = put(out, "],\"handshakes_retransmitted\":");
  if (record.handshakes_retransmitted)
    out = number(out, *record.handshakes_retransmitted);
  else
    out = put(out, "null");
  out = put(out, ",\"accept_queues_full\":");
  if (record.accept_queues_full)
    out = put(list(put(out, '['), *record.accept_queues_full), ']');
  else
    out = put(out, "null");
  line_.end(put(out, "}\n"));
  output_.write(line_.text(), record.total);
}

}  // namespace tcpdwell
