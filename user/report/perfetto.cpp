// SPDX-License-Identifier: Apache-2.0
#include "report/perfetto.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <protozero/pbf_writer.hpp>

#include "model/dwell_order.h"
#include "report/lanes.h"
#include "sinks/text_format.h"

namespace tcpdwell::reporting {
namespace {

using protozero::pbf_writer;

// Field numbers of protos/perfetto/trace/.
namespace trace {
constexpr protozero::pbf_tag_type kPacket = 1;
}
namespace packet {
constexpr protozero::pbf_tag_type kClockSnapshot = 6, kTimestamp = 8, kSequence = 10,
                                  kTrackEvent = 11, kSequenceFlags = 13, kTrackDescriptor = 60;
constexpr std::uint32_t kStateCleared = 1;
}  // namespace packet
namespace clocks {
constexpr protozero::pbf_tag_type kClock = 1, kId = 1, kTimestamp = 2;
constexpr std::uint32_t kRealtime = 1, kBoottime = 6;
}  // namespace clocks
namespace track {
constexpr protozero::pbf_tag_type kUuid = 1, kName = 2, kProcess = 3, kParent = 5, kCounter = 8;
constexpr protozero::pbf_tag_type kPid = 1, kProcessName = 6;  // of a process
constexpr protozero::pbf_tag_type kUnit = 3;                   // of a counter
constexpr std::int32_t kCount = 2;
}  // namespace track
namespace event {
constexpr protozero::pbf_tag_type kAnnotation = 4, kType = 9, kTrack = 11, kCategory = 22,
                                  kName = 23, kCounterValue = 30;
constexpr std::int32_t kBegin = 1, kEnd = 2, kInstant = 3, kCounter = 4;
}  // namespace event
namespace annotation {
constexpr protozero::pbf_tag_type kUint = 3, kString = 6, kName = 10;
}

constexpr std::uint32_t kSequenceId = 1;
// The ids of processes of the trace, which stand for services. Not those of the host.
constexpr std::int32_t kFirstPid = 1;

class TraceWriter {
 public:
  std::uint64_t process(const std::string& name) {
    const std::uint64_t uuid = ++last_uuid_;
    descriptor([&](pbf_writer& out) {
      out.add_uint64(track::kUuid, uuid);
      pbf_writer process(out, track::kProcess);
      process.add_int32(track::kPid, last_pid_++);
      process.add_string(track::kProcessName, name);
    });
    return uuid;
  }
  std::uint64_t lane(std::uint64_t parent, const std::string& name) {
    const std::uint64_t uuid = ++last_uuid_;
    descriptor([&](pbf_writer& out) { describe(out, uuid, parent, name); });
    return uuid;
  }
  std::uint64_t counter(std::uint64_t parent, const std::string& name) {
    const std::uint64_t uuid = ++last_uuid_;
    descriptor([&](pbf_writer& out) {
      describe(out, uuid, parent, name);
      pbf_writer(out, track::kCounter).add_enum(track::kUnit, track::kCount);
    });
    return uuid;
  }
  void clock(Nanos mono, Nanos unix_time) {
    pbf_writer out(trace_, trace::kPacket);
    pbf_writer snapshot(out, packet::kClockSnapshot);
    for (const auto& [id, time] :
         {std::pair{clocks::kBoottime, mono}, {clocks::kRealtime, unix_time}}) {
      pbf_writer clock(snapshot, clocks::kClock);
      clock.add_uint32(clocks::kId, id);
      clock.add_uint64(clocks::kTimestamp, static_cast<std::uint64_t>(time.count()));
    }
  }

  template <typename Annotate>
  void event(Nanos at, std::int32_t type, std::uint64_t track, std::string_view category,
             std::string_view name, Annotate&& annotate) {
    pbf_writer out(trace_, trace::kPacket);
    head(out, at);
    pbf_writer event(out, packet::kTrackEvent);
    event.add_enum(event::kType, type);
    event.add_uint64(event::kTrack, track);
    if (!category.empty()) event.add_string(event::kCategory, category.data(), category.size());
    if (!name.empty()) event.add_string(event::kName, name.data(), name.size());
    annotate(event);
  }
  void end(Nanos at, std::uint64_t track) {
    event(at, event::kEnd, track, "", "", [](pbf_writer&) {});
  }
  void count(Nanos at, std::uint64_t track, std::uint64_t value) {
    event(at, event::kCounter, track, "", "", [&](pbf_writer& event) {
      event.add_int64(event::kCounterValue, static_cast<std::int64_t>(value));
    });
  }
  std::string take() { return std::move(bytes_); }

 private:
  static void describe(pbf_writer& out, std::uint64_t uuid, std::uint64_t parent,
                       const std::string& name) {
    out.add_uint64(track::kUuid, uuid);
    out.add_string(track::kName, name);
    out.add_uint64(track::kParent, parent);
  }
  template <typename Describe>
  void descriptor(Describe&& describe) {
    pbf_writer out(trace_, trace::kPacket);
    out.add_uint32(packet::kSequence, kSequenceId);
    if (!std::exchange(begun_, true)) out.add_uint32(packet::kSequenceFlags, packet::kStateCleared);
    pbf_writer track(out, packet::kTrackDescriptor);
    describe(track);
  }
  static void head(pbf_writer& out, Nanos at) {
    out.add_uint64(packet::kTimestamp,
                   static_cast<std::uint64_t>(std::max<std::int64_t>(at.count(), 0)));
    out.add_uint32(packet::kSequence, kSequenceId);
  }

  std::string bytes_;
  pbf_writer trace_{bytes_};
  std::uint64_t last_uuid_ = 0;
  std::int32_t last_pid_ = kFirstPid;
  bool begun_ = false;
};

void annotate(pbf_writer& event, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  pbf_writer out(event, event::kAnnotation);
  out.add_string(annotation::kName, name.data(), name.size());
  out.add_string(annotation::kString, value.data(), value.size());
}

void annotate(pbf_writer& event, std::string_view name, std::uint64_t value) {
  pbf_writer out(event, event::kAnnotation);
  out.add_string(annotation::kName, name.data(), name.size());
  out.add_uint64(annotation::kUint, value);
}

void annotate(pbf_writer& event, const Mark& mark) {
  annotate(event, "cause", name(mark.cause));
  annotate(event, "held_by", mark.holders);
  annotate(event, "where", mark.where);
}

void write_states(TraceWriter& trace, std::uint64_t lane, const Life& life) {
  for (const Span& span : life.spans) {
    trace.event(span.begin, event::kBegin, lane, "state", name(span.state), [&](pbf_writer& event) {
      annotate(event, "caused_by", name(span.why));
      if (span.error)
        annotate(event, "error_ns", static_cast<std::uint64_t>(span.error->count()));
      else
        annotate(event, "began", "earlier");
      for (const Mark& mark : life.marks)
        if (mark.raised >= span.begin && mark.raised <= span.end && mark.state == span.state)
          annotate(event, mark);
    });
    trace.end(span.end, lane);
  }
}

void write_life(TraceWriter& trace, std::uint64_t lane, const Life& life) {
  const std::string peer = format_endpoint(life.flow.remote, life.flow.family);
  trace.event(life.begin(), event::kBegin, lane, "connection", peer, [&](pbf_writer& event) {
    annotate(event, "cookie", fmt::format("{:x}", life.cookie));
    annotate(event, "life", life.number);
    annotate(event, "local", format_endpoint(life.flow.local, life.flow.family));
    annotate(event, "remote", peer);
    annotate(event, "role", name(life.role));
    if (life.owner) annotate(event, "owner", format_process(life.owner->process));
    annotate(event, "netns", life.flow.netns);
    annotate(event, "ended", life.over ? name(life.ended) : "open");
    if (life.over) annotate(event, "closed_by", name(life.closed_by));
  });
  write_states(trace, lane, life);
  trace.end(life.end(), lane);
  for (const Mark& mark : life.marks)
    trace.event(mark.raised, event::kInstant, lane, "flag",
                "stuck: " + std::string(flag_name(mark.kind, mark.state)),
                [&](pbf_writer& event) { annotate(event, mark); });
}

void write_services(TraceWriter& trace, const ReportData& data) {
  std::map<Services::Id, std::vector<const Life*>> by_service;
  for (const Life& life : data.lives) by_service[data.places[life.service]].push_back(&life);
  for (auto& [place, lives] : by_service) {
    std::stable_sort(lives.begin(), lives.end(), [](const Life* a, const Life* b) {
      return std::pair(a->begin(), a->cookie) < std::pair(b->begin(), b->cookie);
    });
    const std::uint64_t process = trace.process(data.services[place].name);
    std::size_t number = 0;
    for (const auto& lane : pack_lanes(lives)) {
      const std::uint64_t track = trace.lane(process, fmt::format("connections {}", ++number));
      for (const Life* life : lane) write_life(trace, track, *life);
    }
  }
}

void write_counters(TraceWriter& trace, const ReportData& data) {
  const std::uint64_t process = trace.process("tcpdwell: all connections");
  const Series& series = data.series;
  const auto at = [&](std::size_t bin) { return std::min(series.end_of(bin), data.end.mono); };
  const auto write = [&](const std::string& name, auto value_at) {
    const std::uint64_t track = trace.counter(process, name);
    std::optional<std::uint64_t> last;
    for (std::size_t i = 0; i < series.size(); ++i) {
      const std::uint64_t value = value_at(i);
      if (value != last) trace.count(at(i), track, value);
      last = value;
    }
  };
  for (const State state : kDwellOrder)
    if (std::any_of(series.now.begin(), series.now.end(),
                    [&](const Counts& counts) { return counts[index(state)] != 0; }))
      write(std::string(name(state)),
            [&](std::size_t i) { return std::uint64_t{series.now[i][index(state)]}; });
  for (const PortCurve& curve : data.ports)
    write("ports to " + format_endpoint(curve.use.remote, curve.use.site.family),
          [&](std::size_t i) { return std::uint64_t{curve.used[i]}; });
}

}  // namespace

std::string perfetto_trace(const ReportData& data) {
  TraceWriter trace;
  if (data.begin.unix_time != Nanos{0}) trace.clock(data.begin.mono, data.begin.unix_time);
  write_counters(trace, data);
  write_services(trace, data);
  return trace.take();
}

}  // namespace tcpdwell::reporting
