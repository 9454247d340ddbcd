// SPDX-License-Identifier: Apache-2.0
// What an event costs in user space: decoding, the table of connections and an NDJSON line, while
// so many connections are live; what a live connection weighs; what the flags' timers cost. Times
// are the thread's CPU time.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lifecycle/lifecycle.h"
#include "lifecycle/timer_wheel.h"
#include "pipeline/prefetch_batch.h"
#include "sinks/ndjson_sink.h"
#include "stats/stats.h"
#include "synthetic.h"
#include "util/unique_fd.h"

namespace tcpdwell::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kTurn = 1024;  // records between two ticks, as in a live run
constexpr std::uint32_t kTimers = 1'000'000;

double cpu_seconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// The user space of a tracer without its kernel, and the conversations it knows.
class World {
 public:
  World() : null_(::open("/dev/null", O_WRONLY | O_NONBLOCK | O_CLOEXEC)), output_(null_.get()) {
    for (std::uint64_t id = 1; id <= kCgroups; ++id)
      lifecycle_.on(CgroupEvent{Nanos{kBeganNs}, id, "/system.slice/app-" + std::to_string(id)});
  }

  void open_some(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      stream_.open(next_);
      open_.push_back(next_++);
      if (stream_.records() > kTurn) process();
    }
    process();
  }
  // Of those in TIME_WAIT later, the oldest first, as they were opened.
  void close_all() {
    for (const std::uint32_t conversation : std::exchange(open_, {})) {
      stream_.close(conversation);
      waiting_.push_back(conversation);
      if (stream_.records() > kTurn) process();
    }
    process();
  }
  // Records of a world that stays as large as it is: one opens, one that is open closes, one in
  // TIME_WAIT is over; which ones is left to chance.
  void prepare_steps(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      std::uint32_t& open = open_[random_() % open_.size()];
      std::uint32_t& waiting = waiting_[random_() % waiting_.size()];
      stream_.open(next_);
      stream_.close(open);
      stream_.expire(waiting);
      waiting = std::exchange(open, next_++);
    }
  }
  // Returns how many records there were.
  std::size_t process() {
    std::size_t count = 0;
    stream_.for_each([&](std::span<const std::byte> record) {
      batch_.add(record);
      if (batch_.full()) apply();
      if (++count % kTurn == 0) turn();
    });
    turn();
    stream_.clear();
    return count;
  }
  std::uint64_t live() const { return lifecycle_.open(); }
  // What the generator itself has touched, to know what is live.
  std::size_t own_bytes() const { return (open_.size() + waiting_.size()) * sizeof(std::uint32_t); }
  const Lifecycle& lifecycle() const { return lifecycle_; }
  void tell(const Event& event) { lifecycle_.on(event); }

 private:
  void apply() {
    batch_.empty([this](const Event& event) {
      last_at_ = std::visit([](const auto& e) { return e.at; }, event);
      lifecycle_.on(event);
    });
  }
  void turn() {
    apply();
    lifecycle_.tick(last_at_);
    lifecycle_.take_questions();
    lifecycle_.take_unknown_cgroups();
    output_.flush();
  }

  static LifecycleConfig config() {
    LifecycleConfig config{.began = Nanos{kBeganNs}};
    config.thresholds = default_thresholds(60s);
    return config;
  }

  UniqueFd null_;
  Output output_;
  NdjsonSink sink_{output_, Kinds{}};
  Filter filter_;
  Lifecycle lifecycle_{config(), filter_, sink_};
  PrefetchBatch batch_{lifecycle_};
  Stream stream_;
  Nanos last_at_{kBeganNs};
  std::uint32_t next_ = 0;
  std::vector<std::uint32_t> open_, waiting_;
  std::minstd_rand random_{1};
};

// Half of them ESTABLISHED, both ends of a conversation; half of them in TIME_WAIT. Kept from one
// call of a benchmark to the next, but only one at a time.
World& world_of(std::size_t live) {
  static std::unique_ptr<World> world;
  static std::size_t size = 0;
  if (size != live) {
    world.reset();
    ::malloc_trim(0);
    world = std::make_unique<World>();
    world->open_some(live / 2);
    world->close_all();
    world->open_some(live / 4);
    size = live;
  }
  return *world;
}

void event(benchmark::State& state) {
  const auto live = static_cast<std::size_t>(state.range(0));
  World& world = world_of(live);
  std::size_t events = 0;
  for ([[maybe_unused]] auto _ : state) {
    world.prepare_steps(kTurn);
    const double begin = cpu_seconds();
    events += world.process();
    state.SetIterationTime(cpu_seconds() - begin);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(events));
  state.SetLabel("an event, decoded, applied and written, " + std::to_string(live / 1'000) +
                 " k connections live");
  state.counters["live"] = static_cast<double>(world.live());
  if (world.live() != live) state.SkipWithError("the connections are not what they should be");
}
BENCHMARK(event)->UseManualTime()->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

// The end of an interval of `stats`: a walk through all connections.
class NullSink final : public Sink, public StatsOutput {
 public:
  void write(const Record&) noexcept override {}
  void write(const StatsRecord& record) noexcept override { benchmark::DoNotOptimize(&record); }
};

void stats_walk(benchmark::State& state, GroupBy by) {
  const auto live = static_cast<std::size_t>(state.range(0));
  World& world = world_of(live);
  world.tell(NamespaceEvent{.netns_cookie = 1, .port_low = 1024, .port_high = 65535});
  NullSink nowhere;
  Stats stats({.interval = 1s, .by = by}, nowhere, nowhere);
  Nanos now{kBeganNs};
  stats.write(StartRecord{.when = {now, {}}});
  for ([[maybe_unused]] auto _ : state) {
    const double begin = cpu_seconds();
    stats.ticked(now += 1s, world.lifecycle());
    state.SetIterationTime(cpu_seconds() - begin);
  }
  state.SetLabel("stats --by " + std::string(name(by)) + ", the walk at an interval's end, " +
                 std::to_string(live / 1'000) + " k connections live");
}
BENCHMARK_CAPTURE(stats_walk, state, GroupBy::State)->UseManualTime()->Arg(1'000'000);
BENCHMARK_CAPTURE(stats_walk, owner, GroupBy::Owner)->UseManualTime()->Arg(1'000'000);
BENCHMARK_CAPTURE(stats_walk, remote, GroupBy::Remote)->UseManualTime()->Arg(1'000'000);

// --- memory -----------------------------------------------------------------------------------

double resident_bytes() {
  long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

// In a process of its own, so that no freed memory is at hand.
double bytes_per_connection(std::size_t live, bool time_wait) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return -1;
  const UniqueFd in(pipe[0]);
  UniqueFd out(pipe[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    auto world = std::make_unique<World>();
    world->process();
    const double before = resident_bytes() - static_cast<double>(world->own_bytes());
    // In groups: a million conversations that all close at once would be a case of its own.
    const std::size_t group = 1'000;
    for (std::size_t made = 0; made < live; made += group) {
      world->open_some(time_wait ? group : group / 2);
      if (time_wait) world->close_all();
    }
    const double after = resident_bytes() - static_cast<double>(world->own_bytes());
    const double bytes = world->live() == live ? (after - before) / static_cast<double>(live) : -1;
    ::_exit(::write(out.get(), &bytes, sizeof bytes) == sizeof bytes ? 0 : 1);
  }
  out.reset();
  double bytes = -1;
  if (child < 0 || ::read(in.get(), &bytes, sizeof bytes) != sizeof bytes) bytes = -1;
  if (child > 0) ::waitpid(child, nullptr, 0);
  return bytes;
}

// Labels are what the table of `./dev bench` calls a row.
void memory(benchmark::State& state, bool time_wait) {
  double bytes = 0;
  for ([[maybe_unused]] auto _ : state)
    bytes = bytes_per_connection(static_cast<std::size_t>(state.range(0)), time_wait);
  state.counters["bytes_per_connection"] = bytes;
  state.SetLabel(std::string("a live connection in ") +
                 (time_wait ? "TIME_WAIT" : "ESTABLISHED, both ends live"));
  if (bytes < 0) state.SkipWithError("the connections are not what they should be");
}
BENCHMARK_CAPTURE(memory, ESTABLISHED, false)->Arg(1'000'000)->Iterations(1);
BENCHMARK_CAPTURE(memory, TIME_WAIT, true)->Arg(1'000'000)->Iterations(1);

// --- timers -----------------------------------------------------------------------------------

constexpr Nanos kStart{kBeganNs};

// A threshold of a minute, from any moment of the last one.
std::vector<Nanos> deadlines() {
  std::mt19937_64 random(1);
  std::vector<Nanos> all(kTimers);
  for (Nanos& deadline : all)
    deadline = kStart + Nanos{static_cast<std::int64_t>(random() % 60'000'000'000)};
  return all;
}

std::vector<std::uint32_t> shuffled_ids() {
  std::vector<std::uint32_t> ids(kTimers);
  std::iota(ids.begin(), ids.end(), 0U);
  std::shuffle(ids.begin(), ids.end(), std::mt19937(2));
  return ids;
}

enum class Timers { Schedule, Move, Cancel, Fire };
constexpr const char* kTimerLabels[] = {"set", "moved", "cancelled", "fired"};

// All of a million timers once an iteration, in random order.
void timers(benchmark::State& state, Timers what) {
  const std::vector<Nanos> when = deadlines();
  const std::vector<std::uint32_t> ids = shuffled_ids();
  std::uint64_t fired = 0;
  for ([[maybe_unused]] auto _ : state) {
    TimerWheel wheel(kStart);
    std::vector<TimerWheel::Handle> handles(kTimers);
    for (std::uint32_t id = 0; id < kTimers; ++id) handles[id] = wheel.schedule(0, id, when[id]);
    if (what == Timers::Schedule)
      for (const std::uint32_t id : ids) wheel.cancel(std::exchange(handles[id], 0));
    const double begin = cpu_seconds();
    switch (what) {
      case Timers::Schedule:
        for (const std::uint32_t id : ids) handles[id] = wheel.schedule(handles[id], id, when[id]);
        break;
      case Timers::Move:
        for (const std::uint32_t id : ids)
          handles[id] = wheel.schedule(handles[id], id, when[id] + 5s);
        break;
      case Timers::Cancel:
        for (const std::uint32_t id : ids) wheel.cancel(handles[id]);
        break;
      case Timers::Fire: wheel.advance(kStart + 61s, [&](std::uint32_t) { ++fired; }); break;
    }
    state.SetIterationTime(cpu_seconds() - begin);
    const bool none_left = what == Timers::Cancel || what == Timers::Fire;
    if (wheel.size() != (none_left ? 0 : kTimers)) state.SkipWithError("timers are missing");
  }
  benchmark::DoNotOptimize(fired);
  state.SetLabel(std::string("a flag's timer ") + kTimerLabels[static_cast<std::size_t>(what)] +
                 ", one of a million");
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * kTimers);
}
BENCHMARK_CAPTURE(timers, schedule, Timers::Schedule)->UseManualTime();
BENCHMARK_CAPTURE(timers, move, Timers::Move)->UseManualTime();
BENCHMARK_CAPTURE(timers, cancel, Timers::Cancel)->UseManualTime();
BENCHMARK_CAPTURE(timers, fire, Timers::Fire)->UseManualTime();

}  // namespace
}  // namespace tcpdwell::bench

BENCHMARK_MAIN();
