// SPDX-License-Identifier: Apache-2.0
#include "session/session.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <ctime>
#include <iterator>
#include <utility>

#include "session/sees.h"
#include "util/version.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr int kBatch = 8192;  // records; some milliseconds at most
constexpr Nanos kTick = 50ms;
// When idle, tick less often: pending work has its own due time.
constexpr Nanos kIdle = 1s;
constexpr Nanos kIdleTick = 200ms;
constexpr Nanos kFlush = 20ms;
constexpr Nanos kMissedCheck = 1s;
constexpr Nanos kClockNoise = 50us;
constexpr int kClockTries = 3;
// Events come in bursts: after one, sleep for a while without wakeups. A wakeup for each event
// would cost the traced programs more than everything else.
constexpr Nanos kLastPatience = 500ms;
constexpr Nanos kNap = 5ms;
constexpr Nanos kShortNap = 1ms;  // if the ring would be full before kNap
constexpr Nanos kLastSnapshot = 5s;
constexpr std::uint64_t kMostTwice =
    1000;  // tolerates tasks that were preempted between the two programs

// `clock` - CLOCK_MONOTONIC; nullopt: each reading was interrupted.
std::optional<Nanos> ahead_of_monotonic(clockid_t clock) {
  for (int i = 0; i < kClockTries; ++i) {
    timespec there{};
    const Nanos before = monotonic_now();
    ::clock_gettime(clock, &there);
    const Nanos after = monotonic_now();
    if (after - before > kClockNoise) continue;
    return std::chrono::seconds{there.tv_sec} + Nanos{there.tv_nsec} - (before + after) / 2;
  }
  return std::nullopt;
}

// `run` judges sockets at the exit of their process, and waits for their stacks for so long.
constexpr std::chrono::milliseconds kCatchUp{1000};

StartRecord start_record(const Programs& programs, const SessionConfig& config) {
  Sees sees = programs.sees();
  sees.opened = config.stacks != nullptr && config.stacks->sees_accept();
  sees.eof_read = config.stacks != nullptr && config.stacks->sees_eof();
  utsname host{};
  ::uname(&host);
  StartRecord start{.when = {.mono = programs.began()},
                    .version = version(),
                    .kernel = host.release,
                    .host = host.nodename,
                    .hz = kernel_hz(),
                    .thresholds = {},
                    .sees = sees_words(sees)};
  for_each_named(config.thresholds, [&](std::string_view flag, Nanos threshold) {
    start.thresholds.emplace_back(flag, threshold);
  });
  return start;
}

LifecycleConfig lifecycle_config(const SessionConfig& config, const Programs& programs) {
  return {.hz = kernel_hz(),
          .began = programs.began(),
          .watches_resets = programs.sees().resets,
          .asks_soon = true,
          .sees_segments = programs.sees().minisock_segments,
          .sees_cancellers = programs.sees().cancellers,
          .max_connections = config.max_connections,
          .thresholds = config.thresholds,
          .exit_grace = config.exit_grace,
          .flags_uncertain = config.flags_uncertain,
          .memory = config.memory};
}

}  // namespace

// 32 MiB a CPU: half a second at full churn, half of it for a consumer that waits for a busy CPU.
// At most 1/64 of the memory.
std::uint32_t ring_size(std::uint64_t asked) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (asked == 0) {
    const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * page;
    const auto cpus = static_cast<std::uint64_t>(::sysconf(_SC_NPROCESSORS_ONLN));
    asked = std::min(cpus * (32U << 20U), std::bit_floor(memory / 64));
  }
  const std::uint64_t most = 1U << 30U;
  return static_cast<std::uint32_t>(std::bit_ceil(std::clamp(asked, page, most)));
}

Session::Session(SessionConfig config, const Programs& programs, Sink& sink, Output& output)
    : config_(std::move(config)),
      programs_(programs),
      output_(output),
      start_(start_record(programs, config_)),
      lifecycle_(lifecycle_config(config_, programs), config_.filter, sink),
      pipeline_(start_, lifecycle_, sink, config_.recorder, config_.observer),
      loss_monitor_(pipeline_),
      queries_(programs, lifecycle_, pipeline_, config_.blocked, config_.stacks) {}

std::optional<Error> Session::watch(int fd) { return add_to_epoll(fd, EPOLLIN); }

std::optional<Error> Session::watch_once(int fd) {
  return add_to_epoll(fd, EPOLLIN | EPOLLONESHOT);
}

std::optional<Error> Session::add_to_epoll(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return system_error("watching a descriptor (epoll_ctl)");
  return std::nullopt;
}

// Watches only for the end of the reader. epoll refuses a regular file, which has no reader. After
// SIGHUP the descriptor is another one.
void Session::watch_output() {
  if (!config_.needs_reader || output_.fd() == watched_output_) return;
  if (watched_output_ >= 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched_output_, nullptr);
  watched_output_ = output_.fd();
  (void)add_to_epoll(watched_output_, 0);
}

std::optional<Error> Session::begin() {
  auto reader = RingReader::open(programs_.ring_fds(), programs_.shared());
  if (!reader) return reader.error();
  reader_ = std::move(*reader);
  loss_monitor_.watch(programs_.shared());
  // Repeated scans share the programs: ignore losses of earlier ones. A trace is the only session:
  // losses since its attachment belong to it.
  if (!programs_.sees().tracing) loss_monitor_.begin(programs_.shared(), programs_.missed());
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return system_error("making an epoll instance");
  for (const int fd : reader_->fds())
    if (auto error = add_to_epoll(fd, EPOLLIN | EPOLLET)) return error;
  if (auto error = watch(queries_.fd())) return error;
  watch_output();
  if (config_.recorder != nullptr)
    if (auto error =
            config_.recorder->begin({lifecycle_config(config_, programs_), config_.filter, start_}))
      return error;
  for (const CgroupName& name : config_.cgroups)
    pipeline_.user_event(CgroupEvent{programs_.began(), name.id, name.path});
  if (config_.stacks != nullptr) {
    config_.stacks->start();
    if (auto error = watch(config_.stacks->fd())) return error;
  }
  follow_clocks();
  pipeline_.user_event(Began{});
  if (!write_out(true)) return output_.error();
  if (config_.snapshot) queries_.keep_snapshots(config_.netns_cookie);
  return std::nullopt;
}

Drained Session::drain_batch() {
  follow_clocks();
  const Nanos now = monotonic_now();
  const Drained drained = reader_->drain(kBatch, loss_monitor_);
  loss_monitor_.check_ring_loss(programs_.shared(), monotonic_now());  // later than the lost events
  if (now - last_missed_check_ >= kMissedCheck) {
    const Missed missed = programs_.missed();
    loss_monitor_.check_missed(missed, monotonic_now());
    check_order(missed);
    last_missed_check_ = now;
  }
  pipeline_.user_event(Ticked{drained == Drained::All ? now : std::min(now, pipeline_.last_at())});
  return drained;
}

// Programs of one tracepoint run in the order of their attachment. Otherwise the backup program
// would repeat what the main program reports.
void Session::check_order(const Missed& missed) {
  if (missed.twice < kMostTwice || missed.twice < loss_monitor_.records() / 4) return;
  disordered_ = true;
  stop_ = true;
}

// The events of `run` that wait in the ring may judge a socket: its stacks must be known before.
void Session::take_stacks() {
  if (config_.stacks == nullptr) return;
  if (config_.exit_grace) config_.stacks->catch_up(kCatchUp);
  for (StackEvent& event : config_.stacks->take()) {
    if (config_.exit_grace)
      pipeline_.user_event(event);
    else
      answers_.push_back([this, event = std::move(event)] { pipeline_.user_event(event); });
  }
}

// Take answers before the drain and apply them when the ring is empty: the table then has all
// events from before the query. The stacks that a query waited for must be applied before it.
void Session::turn() {
  std::vector<Worker::Answer> answers = queries_.take_answers();
  take_stacks();
  std::move(answers.begin(), answers.end(), std::back_inserter(answers_));
  const std::uint64_t before = loss_monitor_.records();
  drained_ = drain_batch();
  busy_ = loss_monitor_.records() != before;
  const Nanos now = monotonic_now();
  if (busy_ || !answers_.empty()) last_busy_ = now;
  if (drained_ == Drained::All)
    for (const Worker::Answer& answer : std::exchange(answers_, {})) answer();
  queries_.tick(now);
}

// How long to sleep. Zero: the ring has more. A record that was in progress may not wake us, so
// sleep only briefly.
Nanos Session::patience() {
  if (drained_ == Drained::Batch) return Nanos{0};
  if (busy_ || drained_ == Drained::UpToBusy) return reader_->is_crowded() ? kShortNap : kNap;
  reader_->arm();
  drained_ = drain_batch();
  if (drained_ == Drained::Batch) return Nanos{0};
  if (drained_ == Drained::UpToBusy) return kNap;
  const Nanos now = monotonic_now();
  const bool idle = now - last_busy_ > kIdle && queries_.idle(now);
  Nanos wait = output_.unflushed() ? kFlush : idle ? kIdleTick : kTick;
  if (config_.recorder != nullptr && config_.recorder->pending()) wait = std::min(wait, kTick);
  const auto look = config_.observer ? config_.observer->due() : std::nullopt;
  for (const auto& due : {lifecycle_.next_flag(wait), queries_.due(), look})
    if (due) wait = std::min(wait, std::max(*due - now, Nanos{1ms}));
  return wait;
}

bool Session::is_settled(Nanos now) {
  if (!is_ready() || !queries_.idle(now) || !answers_.empty()) return false;
  if (!ready_at_) ready_at_ = now;
  return now >= *ready_at_ + 3 * TimerWheel::kTick;
}

// Call it before a drain: records from after a suspension must follow it.
void Session::follow_clocks() {
  const auto wall = ahead_of_monotonic(CLOCK_REALTIME);
  if (wall && std::chrono::abs(*wall - clock_offset_) >= kClockNoise) {
    clock_offset_ = *wall;
    pipeline_.user_event(ClockEvent{monotonic_now(), *wall});
  }
  const auto boot = ahead_of_monotonic(CLOCK_BOOTTIME);
  const auto suspended = boot ? suspends_.compare(monotonic_now(), *boot) : std::nullopt;
  if (suspended) pipeline_.user_event(*suspended);
}

// Returns false if the output failed or its reader is gone. `now`: wait for the result, at the
// start, while `run` has not released its command.
bool Session::write_out(bool now) {
  if (!now && monotonic_now() - last_flush_ < kFlush) return true;
  last_flush_ = monotonic_now();
  const Output::Status status = now ? output_.flush_through() : output_.flush();
  if (status == Output::Status::Ok) return true;
  if (status == Output::Status::Closed && !config_.needs_reader) return true;
  stop_ = true;
  return false;
}

void Session::keep_record() {
  if (config_.recorder == nullptr) return;
  config_.recorder->flush(monotonic_now());
  if (config_.recorder->wants_snapshot()) queries_.want_snapshot();
}

std::optional<Error> Session::loop(const std::function<bool()>& over) {
  while (!stop_) {
    turn();
    write_out(false);
    keep_record();
    if (over()) break;
    watch_output();
    if (const Nanos wait = patience(); wait.count() > 0 && !stop_)
      if (auto error = sleep(wait)) return error;
  }
  if (disordered_)
    return Error{
        "this kernel does not run the programs of a tracepoint in the order of their attachment: "
        "transitions would be reported twice",
        {},
        "Please report this bug with the output of uname -r"};
  return output_.error();
}

std::optional<Error> Session::sleep(Nanos wait) {
  const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(wait);
  std::array<epoll_event, 8> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(timeout.count()));
  if (count < 0 && errno != EINTR) return system_error("waiting for events");
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd == output_.fd() && (event.events & (EPOLLERR | EPOLLHUP)) != 0) stop_ = true;
  }
  return std::nullopt;
}

// A virtual CPU may be descheduled in the middle of a record: do not wait for ever.
void Session::drain_rest(Nanos deadline) {
  while (true) {
    const Drained drained = reader_->drain(kBatch, loss_monitor_);
    if (drained == Drained::All) return;
    if (drained == Drained::Batch) continue;
    if (monotonic_now() > deadline) return;
    ::usleep(1000);
  }
}

// Finds connections that ended unseen or were lost just now. A walk in progress began before that.
void Session::take_last_snapshot() {
  if (stop_ || !config_.last_snapshot || !queries_.keeps_snapshots() || !programs_.sees().tracing)
    return;
  const Nanos deadline = monotonic_now() + kLastSnapshot;
  for (bool looked = false; monotonic_now() < deadline;) {
    if (!queries_.walking() && (!looked || lifecycle_.wants_snapshot())) {
      queries_.walk_once_more(monotonic_now());
      looked = true;
    }
    if (sleep(kNap)) return;
    turn();
    if (!write_out(false)) return;
    if (!queries_.walking() && queries_.idle(monotonic_now()) && !lifecycle_.wants_snapshot())
      return;
  }
}

EndRecord Session::finish(Programs& programs) {
  take_last_snapshot();
  if (config_.exit_grace) take_stacks();
  const Nanos now = monotonic_now();
  programs.detach();  // not atomic: events meanwhile are seen only in part
  pipeline_.user_event(Stopped{now});
  drain_rest(now + kLastPatience);
  loss_monitor_.check_ring_loss(programs.shared(), now);
  loss_monitor_.check_missed(programs.missed(), now);
  output_.flush_through();  // makes room for the last lines
  pipeline_.user_event(Finished{.at = now});
  if (config_.recorder != nullptr) config_.recorder->finish();
  output_.finish();
  if (reader_->spills() > 0)
    spdlog::debug("the second event ring was in use {} times", reader_->spills());
  return pipeline_.end();
}

}  // namespace tcpdwell
