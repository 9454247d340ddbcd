// SPDX-License-Identifier: Apache-2.0
// Records a run of synthetic records to a file, and replays such files; keeps the output of both.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/event_pipeline.h"
#include "recording/player.h"
#include "recording/recorder.h"
#include "sinks/ndjson_sink.h"
#include "support/temporary_files.h"
#include "tcpdwell/wire.h"

namespace tcpdwell::recorded {

using namespace std::chrono_literals;

inline constexpr Nanos kBegan = 1000s;

using Directory = samples::TemporaryDirectory;

inline std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// Collects the output of `--json`.
class Lines final : public Sink {
 public:
  void write(const Record& record) noexcept override {
    write_json(line_, record);
    text += line_.text();
    if (const auto* flag = std::get_if<FlagRecord>(&record)) flags.push_back(*flag);
  }
  std::string text;
  std::vector<FlagRecord> flags;  // their string_views are invalid

 private:
  JsonLine line_;
};

inline std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++found;
  return found;
}

inline recording::Setting setting(Filter filter = {}) {
  recording::Setting setting;
  setting.config = {.hz = 250, .began = kBegan};
  setting.config.thresholds.set(State::CloseWait, 1s);
  setting.config.thresholds.set(State::FinWait2, 1h);
  setting.config.thresholds.set(State::Closed, 1min);
  setting.filter = std::move(filter);
  setting.start = {.when = {.mono = kBegan},
                   .version = "1.2.3",
                   .kernel = "6.1",
                   .host = "there",
                   .hz = 250,
                   .thresholds = {{"FIN_WAIT_2", 1h}, {"CLOSED", 1min}, {"CLOSE_WAIT", 1s}},
                   .sees = {{"time_wait", "exact"}}};
  return setting;
}

class LoggedRun {
 public:
  explicit LoggedRun(const recording::RecorderConfig& config, Filter filter = {})
      : LoggedRun(config, setting(std::move(filter))) {}
  LoggedRun(const recording::RecorderConfig& config, const recording::Setting& asked)
      : setting_(asked),
        recorder(std::move(*recording::Recorder::open(config))),
        lifecycle_(setting_.config, setting_.filter, lines_),
        pipeline_(setting_.start, lifecycle_, lines_, recorder.get()) {
    EXPECT_FALSE(recorder->begin(setting_));
    pipeline_.user_event(CgroupEvent{kBegan, 7, "/system.slice/app.service"});
    pipeline_.user_event(ClockEvent{kBegan, 1'700'000'000s});
    pipeline_.user_event(Began{});
  }

  // A client connection goes from CLOSED to CLOSE_WAIT within a millisecond.
  void leaves_in_close_wait(std::uint64_t cookie) {
    moves(cookie, 7, 2, true);
    moves(cookie, 2, 1);
    moves(cookie, 1, 8);
  }
  void closes(std::uint64_t cookie) {
    moves(cookie, 8, 9);
    moves(cookie, 9, 7);
  }
  // A client connection goes from CLOSED to the end of its full socket, without a minisock.
  void ends_without_a_minisock(std::uint64_t cookie) {
    moves(cookie, 7, 2, true);
    moves(cookie, 2, 1);
    moves(cookie, 1, 4);
    moves(cookie, 4, 5);
    moves(cookie, 5, 7);
  }
  void wait(Nanos time) {
    now_ += time;
    pipeline_.user_event(Ticked{now_});
    recorder->flush(now_);
  }
  // Answers the table's questions: the socket is present, and two processes hold it.
  void answer(std::uint32_t pid = 42) { answer_with({holder(pid, 5), holder(pid + 1, 6)}); }
  // The same, with the surroundings of the socket.
  void answer_with_surroundings() {
    ProcessesEvent processes{.at = now_, .processes = {}};
    processes.processes.push_back({.pid = 42,
                                   .state = 'T',
                                   .parent = 41,
                                   .live_thread = 43,
                                   .runtime = Runtime::Go,
                                   .program = "app-with-a-long-name",
                                   .descriptors = 1000,
                                   .descriptor_limit = 1024});
    pipeline_.user_event(processes);
    surroundings_ = true;
    answer_with({holder(42, 5)});
  }
  // Answers that the socket is present as a minisock.
  void answer_with_minisocks() { answer_with({}, SocketKind::Minisock); }
  void answer_with_holders(std::int32_t many) {
    std::vector<Holder> holders;
    for (std::int32_t fd = 0; fd < many; ++fd) holders.push_back(holder(42, fd));
    answer_with(holders);
  }
  // A snapshot finds the socket.
  void finds(std::uint64_t cookie) {
    pipeline_.user_event(SnapshotBegan{});
    tcpdwell_snapshot raw{};
    raw.head = head(TCPDWELL_SNAPSHOT, TCPDWELL_FULL);
    raw.cookie = cookie;
    raw.flow = flow(cookie);
    raw.state = 8;
    raw.flags = TCPDWELL_IS_ATTACHED;
    raw.acked_ago = raw.received_ago = raw.sent_ago = 100;
    put(raw);
    pipeline_.user_event(HoldersEvent{now_, {{cookie, holder(42, 5)}}});
    pipeline_.user_event(SnapshotOver{});
  }
  // A walk finds these dead sockets, each held by two processes.
  void walks(const std::vector<std::uint64_t>& cookies) {
    DeadEvent walk{.at = now_, .sockets = {}};
    for (const std::uint64_t cookie : cookies) {
      DeadSocket& socket = walk.sockets.emplace_back();
      socket = {
          .cookie = cookie, .at = now_, .active = now_ - 10min, .active_exact = cookie % 2 == 0};
      socket.flow.local = {.addr = {10}, .port = static_cast<std::uint16_t>(40000 + cookie)};
      socket.flow.remote = {.addr = {10, 0, 0, 2}, .port = 80};
      socket.flow.netns_cookie = 1;
      socket.sock_cgroup_id = 7;
      socket.received_ago = 2'000'000;
      socket.unread = cookie % 3 == 0 ? 26 : 0;
      socket.err = 104;
      socket.holders = {holder(42, 5), holder(43, 6)};
    }
    pipeline_.user_event(walk);
  }
  // A walk through accept queues finds `fresh` for the first time, and `known` again. Another
  // listener shares the port if `polled_by` waits for this one.
  void finds_in_queue(const std::vector<std::uint64_t>& fresh,
                      const std::vector<std::uint64_t>& known = {},
                      const std::vector<std::uint32_t>& polled_by = {}) {
    pipeline_.user_event(QueueWalkBegan{});
    ListenQueue queue;
    queue.cookie = 900;
    queue.flow = flow_of(900);
    queue.length = static_cast<std::uint32_t>(fresh.size() + known.size());
    queue.backlog = 2;
    queue.syns_dropped = 3;
    for (const std::uint64_t cookie : fresh)
      queue.fresh.push_back({.cookie = cookie,
                             .flow = flow_of(cookie),
                             .state = State::CloseWait,
                             .queued_at = kBegan + 1ms,
                             .receive_queue = 8});
    queue.known = known;
    queue.asked = !fresh.empty();
    queue.holders = {holder(42, 5), holder(43, 6)};
    queue.accepted = {43};
    queue.parents = {{43, 42}, {42, 1}};
    queue.polled_by = polled_by;
    queue.shares_port = !polled_by.empty();
    queue.counters = ListenCounters{.overflows = 11, .cookies_sent = 12};
    AcceptQueuesEvent event;
    event.at = now_;
    event.namespaces = {1};
    event.queues = {queue};
    event.young = 2;
    event.next_queued = now_ - 1ms;
    if (fresh.empty() && known.empty()) event.queues.clear();
    pipeline_.user_event(event);
  }
  void rubbish() { pipeline_.record(std::as_bytes(std::span("rubbish"))); }
  // Ends the run; returns its output.
  const std::string& finish() {
    pipeline_.user_event(Stopped{now_ + 1s});
    pipeline_.user_event(Finished{.at = now_});
    recorder->finish();
    return lines_.text;
  }
  const std::string& output() const { return lines_.text; }
  const std::vector<FlagRecord>& flags() const { return lines_.flags; }
  std::uint64_t open() const { return lifecycle_.open(); }

 private:
  void answer_with(const std::vector<Holder>& holders, SocketKind kind = SocketKind::Full) {
    for (const Question& question : lifecycle_.take_questions()) {
      InquiryEvent answer{.at = now_,
                          .id = question.id,
                          .generation = question.generation,
                          .serial = question.serial,
                          .presence = Presence::Present,
                          .kind = kind,
                          .state = question.state,
                          .cookie = question.cookie,
                          .attached = true,
                          .receive_queue = 1,
                          .holders = holders};
      if (surroundings_) {
        answer.send_wait = SendWait::WindowProbe;
        answer.other_end = OtherEnd{.process = holder(50, 7).process,
                                    .fd = 7,
                                    .state = State::FinWait2,
                                    .receive_queue = 9};
        answer.inherited_from = holder(40, 0).process;
        answer.bytes = ByteCounts{.sent = 11, .received = 12};
      }
      pipeline_.user_event(answer);
    }
  }
  static Holder holder(std::uint32_t pid, std::int32_t fd) {
    Holder holder{.process = {.pid = pid, .uid = 1000, .cgroup_id = 7}, .fd = fd};
    std::strcpy(holder.process.comm.data(), "app");
    return holder;
  }
  static Flow flow_of(std::uint64_t cookie) {
    Flow flow;
    flow.local = {.addr = {10, 0, 0, 1}, .port = 80};
    flow.remote = {.addr = {10, 0, 0, 2}, .port = static_cast<std::uint16_t>(40000 + cookie)};
    flow.netns_cookie = 1;
    flow.netns = 4026531840;
    return flow;
  }
  static tcpdwell_flow flow(std::uint64_t cookie) {
    tcpdwell_flow flow{};
    flow.local[0] = flow.remote[0] = 10;
    flow.local_port = static_cast<std::uint16_t>(40000 + cookie);
    flow.remote_port = cookie % 2 == 0 ? 443 : 80;
    flow.netns_cookie = 1;
    flow.netns_inum = 4026531840;
    flow.family = TCPDWELL_FAMILY_IPV4;
    return flow;
  }
  tcpdwell_head head(std::uint8_t kind, std::uint8_t op = 0) const {
    return {.at_ns = static_cast<std::uint64_t>(now_.count()),
            .version = TCPDWELL_WIRE_VERSION,
            .kind = kind,
            .op = op};
  }
  template <typename Raw>
  void put(const Raw& raw) {
    pipeline_.record(std::as_bytes(std::span(&raw, 1)));
  }
  void moves(std::uint64_t cookie, std::uint8_t from, std::uint8_t to, bool task = false) {
    now_ += 100us;
    tcpdwell_transition_task raw{};
    raw.base.head = head(TCPDWELL_TRANSITION);
    raw.base.cookie = cookie;
    raw.base.flow = flow(cookie);
    raw.base.from = from;
    raw.base.to = to;
    raw.base.flags = TCPDWELL_ATTACHED;
    if (task) {
      raw.base.flags |= TCPDWELL_TASK;
      raw.task = {.cgroup_id = 7, .pid = 42, .uid = 1000, .comm = "app"};
    }
    put(raw);
  }

  recording::Setting setting_;
  Lines lines_;
  bool surroundings_ = false;
  Nanos now_ = kBegan;

 public:
  std::unique_ptr<recording::Recorder> recorder;

 private:
  Lifecycle lifecycle_;
  EventPipeline pipeline_;
};

struct Replay {
  std::string error;  // why it could not be replayed; empty: it was
  std::string text;
  std::vector<FlagRecord> flags;
  EndRecord end;
  std::uint64_t damaged = 0;
  bool truncated = false, full = false, late = false;
};

inline Replay replay(std::vector<std::unique_ptr<recording::Source>> sources, Filter filter = {}) {
  std::vector<recording::Reader> parts;
  for (auto& source : sources) {
    auto part = recording::Reader::open(std::move(source), "it");
    if (!part) return {.error = part.error().text()};
    parts.push_back(std::move(*part));
  }
  auto player = recording::Player::open(std::move(parts));
  if (!player) return {.error = player.error().text()};
  const recording::Setting& setting = (*player)->setting();
  const bool same = passes_all_of(filter, setting.filter);
  filter.recorded = std::make_shared<Filter>(setting.filter);
  Lines lines;
  Lifecycle lifecycle(setting.config, filter, lines);
  EventPipeline pipeline(setting.start, lifecycle, lines);
  (*player)->begin(pipeline, lifecycle, same);
  while (*(*player)->step()) continue;
  return {.text = lines.text,
          .flags = lines.flags,
          .end = pipeline.end(),
          .damaged = (*player)->damaged(),
          .truncated = (*player)->truncated(),
          .full = (*player)->reached_max_size(),
          .late = (*player)->begins_late()};
}

inline Replay replay(std::span<const std::byte> bytes, Filter filter = {}) {
  std::vector<std::unique_ptr<recording::Source>> sources;
  sources.push_back(std::make_unique<recording::MemorySource>(bytes));
  return replay(std::move(sources), std::move(filter));
}

inline Replay replay(const std::vector<std::string>& paths, Filter filter = {}) {
  std::vector<std::unique_ptr<recording::Source>> sources;
  for (const std::string& path : paths)
    sources.push_back(std::move(*recording::FileSource::open(path)));
  return replay(std::move(sources), std::move(filter));
}

}  // namespace tcpdwell::recorded
